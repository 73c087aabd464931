/** Resources with a life (TTL): gone when they were not sent again in time, connected or not. */
import type { Clock, Timer } from "../../base/index.ts";

export class Lives {
  private readonly clock: Clock;
  private readonly ended: (typeUrl: string, name: string) => void;
  private readonly timers = new Map<string, Timer>();

  constructor(clock: Clock, ended: (typeUrl: string, name: string) => void) {
    this.clock = clock;
    this.ended = ended;
  }

  /** Begins or prolongs a life; without `ttlMs` the resource stays. */
  set(typeUrl: string, name: string, ttlMs: number | undefined): void {
    const key = `${typeUrl}\0${name}`;
    this.timers.get(key)?.cancel();
    this.timers.delete(key);
    if (ttlMs === undefined) return;
    const timer = this.clock.after(ttlMs, () => {
      this.timers.delete(key);
      this.ended(typeUrl, name);
    });
    this.timers.set(key, timer);
  }

  stop(): void {
    for (const timer of this.timers.values()) timer.cancel();
    this.timers.clear();
  }
}
