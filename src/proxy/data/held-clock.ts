/** A clock that can be held: within one event of a socket time stands still, so one reading serves all its parts. */
import type { Clock, Timer } from "../../base/index.ts";

export class HeldClock implements Clock {
  private readonly clock: Clock;
  private held = false;
  /** The reading of the event under way; -1: none yet. */
  private at = -1;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** An event begins: `now` is read once until `release`. */
  hold(): void {
    this.held = true;
    this.at = -1;
  }

  release(): void {
    this.held = false;
  }

  now(): number {
    if (!this.held) return this.clock.now();
    if (this.at === -1) this.at = this.clock.now();
    return this.at;
  }

  wall(): number {
    return this.clock.wall();
  }

  after(ms: number, fn: () => void): Timer {
    return this.clock.after(ms, fn);
  }

  every(ms: number, fn: () => void): Timer {
    return this.clock.every(ms, fn);
  }
}
