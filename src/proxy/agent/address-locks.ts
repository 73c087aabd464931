/** One lock an address and port that a listener holds, so that no second proxy can share it unseen. */
import type { AddressLock } from "../../wire/socket/index.ts";
import type { CompiledListener } from "../compile/index.ts";
import type { UpdateError } from "./threads.ts";
import type { LockAddress } from "./types.ts";

const keyOf = (l: CompiledListener): string => `${l.config.address}\0${l.config.port}`;

export class AddressLocks {
  private readonly lock: LockAddress;
  private readonly held = new Map<string, AddressLock>();

  constructor(lock: LockAddress) {
    this.lock = lock;
  }

  /** Takes what is not held yet; gives the listeners whose address another process holds. */
  async acquire(listeners: Iterable<CompiledListener>): Promise<UpdateError[]> {
    const failed: UpdateError[] = [];
    for (const l of listeners) {
      if (l.config.binds === false) continue;
      const key = keyOf(l);
      // Port 0 is the kernel's to choose: nobody else can have it.
      if (this.held.has(key) || l.config.port === 0) continue;
      try {
        this.held.set(key, await this.lock(l.config.address, l.config.port));
      } catch (e) {
        failed.push({ type: "listener", name: l.name, message: e instanceof Error ? e.message : String(e) });
      }
    }
    return failed;
  }

  /** Gives up what no listener has any more. */
  keepOnly(listeners: Iterable<CompiledListener>): void {
    const wanted = new Set([...listeners].filter((l) => l.config.binds !== false).map(keyOf));
    for (const [key, lock] of this.held) {
      if (wanted.has(key)) continue;
      this.held.delete(key);
      lock.release();
    }
  }

  releaseAll(): void {
    this.keepOnly([]);
  }
}
