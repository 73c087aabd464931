/** A bucket of resets that fills again with time: what it does not grant is a flood (CVE-2023-44487, CVE-2025-8671). */
export class ResetBudget {
  private left: number;
  private since = 0;
  private readonly burst: number;
  private readonly perMs: number;
  private readonly clock: { now(): number };

  constructor(burst: number, perSecond: number, clock: { now(): number }) {
    this.burst = burst;
    this.left = burst;
    this.perMs = perSecond / 1000;
    this.clock = clock;
  }

  /** Takes one; false when there is none. */
  take(): boolean {
    const now = this.clock.now();
    if (this.left < this.burst) this.left = Math.min(this.burst, this.left + (now - this.since) * this.perMs);
    this.since = now;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}

/** Ids of streams that we reset and whose peer may not know it yet: at most `limit`, the oldest are forgotten first. */
export class RecentResets {
  private readonly ids = new Set<number>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  add(id: number): void {
    const { ids } = this;
    if (ids.size >= this.limit)
      for (const oldest of ids) {
        ids.delete(oldest);
        break;
      }
    ids.add(id);
  }

  has(id: number): boolean {
    return this.ids.has(id);
  }

  delete(id: number): void {
    this.ids.delete(id);
  }
}
