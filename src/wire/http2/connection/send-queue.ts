/** Small writes are gathered in blocks that grow from the first to the second size. */
const firstBlock = 1024;
const lastBlock = 16 * 1024;
const nothing = new Uint8Array(0);

/** Octets of one stream that wait for room: copies, gathered so that many small writes cost little memory. */
export class SendQueue {
  length = 0;
  /** The front block; its octets are [from, to). */
  bytes: Uint8Array = nothing;
  from = 0;
  to = 0;
  /** Blocks behind the front, and how far the last one is filled. */
  private more: Uint8Array[] = [];
  private ends: number[] = [];

  /** Copies `chunk` to the end. */
  push(chunk: Uint8Array): void {
    const { more, ends } = this;
    const last = more.length - 1;
    const tail = last < 0 ? this.bytes : more[last]!;
    const end = last < 0 ? this.to : ends[last]!;
    const fits = Math.min(chunk.length, tail.length - end);
    if (fits > 0) {
      tail.set(fits === chunk.length ? chunk : chunk.subarray(0, fits), end);
      if (last < 0) this.to += fits;
      else ends[last] = end + fits;
    }
    this.length += chunk.length;
    const rest = chunk.length - fits;
    if (rest === 0) return;
    const block = new Uint8Array(Math.max(rest, Math.min(lastBlock, Math.max(firstBlock, 2 * tail.length))));
    block.set(fits === 0 ? chunk : chunk.subarray(fits));
    if (this.from === this.to && last < 0) {
      this.bytes = block;
      this.from = 0;
      this.to = rest;
    } else {
      more.push(block);
      ends.push(rest);
    }
  }

  /** Forgets the first `count` octets, all of them in the front block. */
  advance(count: number): void {
    this.from += count;
    this.length -= count;
    if (this.from < this.to) return;
    this.bytes = this.more.shift() ?? nothing;
    this.from = 0;
    this.to = this.ends.shift() ?? 0;
  }

  clear(): void {
    this.length = 0;
    this.bytes = nothing;
    this.from = 0;
    this.to = 0;
    this.more.length = 0;
    this.ends.length = 0;
  }
}
