/** Bounds the big responses that are on their way at once; first come, first served. */
export class PushSlots {
  private free: number;
  private readonly waiting = new Set<() => void>();

  constructor(count: number) {
    this.free = count;
  }

  /** Takes a place and returns true, or calls `retry` once when one is free (again: nothing is kept for it). */
  take(retry: () => void): boolean {
    if (this.free > 0) {
      this.free--;
      return true;
    }
    this.waiting.add(retry);
    return false;
  }

  give(): void {
    this.free++;
    const [next] = this.waiting;
    if (next === undefined) return;
    this.waiting.delete(next);
    next();
  }

  forget(retry: () => void): void {
    this.waiting.delete(retry);
  }

  get queued(): number {
    return this.waiting.size;
  }
}
