/** The connection's receiving window: what came in, and what was consumed and is owed to the peer. */
export class ReceiveWindow {
  /** Octets that the peer may still send. */
  left: number;
  private owed = 0;
  private readonly threshold: number;

  constructor(bytes: number) {
    this.left = bytes;
    this.threshold = bytes / 2;
  }

  /** Takes what came; false when it was more than allowed. */
  take(count: number): boolean {
    this.left -= count;
    return this.left >= 0;
  }

  /** Octets were consumed: gives the increment to send now, mostly 0, since half a window is given back at once. */
  give(count: number): number {
    this.owed += count;
    if (this.owed < this.threshold) return 0;
    const increment = this.owed;
    this.owed = 0;
    this.left += increment;
    return increment;
  }
}
