/** Bytes kept for later in one growing array; never gives back bytes that it did not get. */
export class ByteQueue {
  private buffer: Uint8Array = empty;
  private start = 0;
  private stop = 0;

  get length(): number {
    return this.stop - this.start;
  }

  /** The kept bytes; valid until the next `push` or `clear`. */
  view(): Uint8Array {
    return this.buffer.subarray(this.start, this.stop);
  }

  /** Copies bytes [from, to) to the end. */
  push(bytes: Uint8Array, from: number, to: number): void {
    const count = to - from;
    if (count === 0) return;
    if (this.stop + count > this.buffer.length) this.grow(count);
    this.buffer.set(bytes.subarray(from, to), this.stop);
    this.stop += count;
  }

  /** Gives the kept bytes away and is empty. */
  take(): Uint8Array {
    const bytes = this.view();
    this.clear();
    return bytes;
  }

  /** Keeps bytes [from, to) of an array that the queue may own, without a copy where it is empty. */
  adopt(bytes: Uint8Array, from: number, to: number): void {
    if (this.length > 0) {
      this.push(bytes, from, to);
      return;
    }
    this.buffer = bytes;
    this.start = from;
    this.stop = to;
  }

  /** Drops all and gives the memory back. */
  clear(): void {
    this.buffer = empty;
    this.start = 0;
    this.stop = 0;
  }

  private grow(count: number): void {
    const length = this.length;
    const next = new Uint8Array(Math.max(256, length * 2, length + count));
    next.set(this.view());
    this.buffer = next;
    this.start = 0;
    this.stop = length;
  }
}

const empty = new Uint8Array(0);
