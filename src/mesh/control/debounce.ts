/** Runs something after a quiet, but not later than a limit after the first call. */
import type { Clock, Timer } from "../../base/index.ts";

export class Debounce {
  private readonly clock: Clock;
  private readonly run: () => void;
  private timer: Timer | undefined;
  /** When it runs at the latest; undefined: nothing waits. */
  private deadline: number | undefined;

  constructor(clock: Clock, run: () => void) {
    this.clock = clock;
    this.run = run;
  }

  /** Asks for a run after `quietMs` without another call, at most `maxMs` after the first. */
  call(quietMs: number, maxMs: number): void {
    const now = this.clock.now();
    this.deadline = Math.min(this.deadline ?? Number.POSITIVE_INFINITY, now + maxMs);
    const due = Math.min(now + quietMs, this.deadline);
    this.timer?.cancel();
    this.timer = this.clock.after(Math.max(0, due - now), () => {
      this.timer = undefined;
      this.deadline = undefined;
      this.run();
    });
  }

  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.deadline = undefined;
  }
}
