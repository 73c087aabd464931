/** Answers of others, as long as they hold. The least recently asked for goes first. */
import type { Clock } from "../../base/index.ts";
import { aged, type ResponseRead, rcode, readResponse } from "../../wire/dns/index.ts";
import { limits } from "./limits.ts";

interface Kept {
  readonly bytes: Uint8Array;
  readonly read: ResponseRead;
  readonly at: number;
  readonly until: number;
}

export class Cache {
  private readonly clock: Clock;
  private readonly kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get size(): number {
    return this.kept.size;
  }

  /** For the asker with that id. */
  get(key: string, id: number): Uint8Array | undefined {
    const found = this.kept.get(key);
    if (found === undefined) return undefined;
    const now = this.clock.now();
    this.kept.delete(key);
    if (now >= found.until) return undefined;
    this.kept.set(key, found);
    return aged(found.bytes, found.read, id, Math.floor((now - found.at) / 1000));
  }

  put(key: string, bytes: Uint8Array): void {
    const read = readResponse(bytes);
    if (read?.ttl === undefined || read.truncated || bytes.length > limits.cacheBytes) return;
    if (read.rcode !== rcode.ok && read.rcode !== rcode.nxDomain) return;
    const seconds = Math.min(read.ttl, read.positive ? limits.maxTtl : limits.maxNegativeTtl);
    if (seconds <= 0) return;
    const at = this.clock.now();
    this.kept.delete(key);
    if (this.kept.size >= limits.cacheEntries) this.kept.delete(this.kept.keys().next().value!);
    this.kept.set(key, { bytes: new Uint8Array(bytes), read, at, until: at + seconds * 1000 });
  }

  clear(): void {
    this.kept.clear();
  }
}
