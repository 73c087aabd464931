import type { Latin1Target } from "../http/index.ts";

/** Octets of the arrays that are kept for reuse, and how many of them a thread keeps. */
const pooledBytes = 64 * 1024;
const maxPooled = 32;
const pool: Latin1Target[] = [];
const nothing = Buffer.alloc(0) as unknown as Latin1Target;

function allocate(length: number): Latin1Target {
  return Buffer.allocUnsafeSlow(length) as unknown as Latin1Target;
}

/**
 * Bytes on their way to a socket. Writers put frames at `end` and move it; the owner hands `view()` to the socket
 * and says by `advance` what it took. While nothing is in it, it holds no memory: an idle connection costs none.
 */
export class OutputBuffer {
  /** Room for writing is [end, bytes.length); after `reserve(n)` at least n of it. */
  bytes: Latin1Target = nothing;
  end = 0;
  private start = 0;

  /** Octets waiting. The owner closes the connection beyond `Http2Limits.maxQueuedBytes`. */
  get length(): number {
    return this.end - this.start;
  }

  /** What waits. Holds until the next write or `advance`. */
  view(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  /** Position in `bytes` of what stands `mark` octets behind the start of what waits. */
  at(mark: number): number {
    return this.start + mark;
  }

  /** Forgets the first `count` of what waits. */
  advance(count: number): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }

  /** Forgets all and gives the memory back. */
  clear(): void {
    if (this.bytes.length === pooledBytes && pool.length < maxPooled) pool.push(this.bytes);
    this.bytes = nothing;
    this.start = 0;
    this.end = 0;
  }

  /** Makes room for `count` more octets at `end`. May replace `bytes`: read it afterwards. */
  reserve(count: number): void {
    if (this.end + count > this.bytes.length) this.grow(count);
  }

  /** Copies `bytes` to the end. */
  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  private grow(count: number): void {
    const { bytes, start } = this;
    const length = this.end - start;
    const need = length + count;
    const old = bytes;
    let room = bytes;
    if (need > bytes.length || start < bytes.length / 2) {
      room =
        need <= pooledBytes
          ? (pool.pop() ?? allocate(pooledBytes))
          : allocate(Math.max(need, 2 * bytes.length));
      room.set(bytes.subarray(start, this.end));
      if (old.length === pooledBytes && pool.length < maxPooled) pool.push(old);
    } else room.copyWithin(0, start, this.end);
    this.bytes = room;
    this.start = 0;
    this.end = length;
  }
}
