/** Draining listeners: none accept, connections end after their answer, what is left at the deadline is cut. */
import type { Clock, Timer } from "../../base/index.ts";
import type { Listener } from "./listener.ts";

export class DrainJob {
  private readonly waiting: Set<Listener>;
  private readonly done: (forced: number) => void;
  private timer: Timer | null = null;

  constructor(
    listeners: readonly Listener[],
    options: { readonly clock: Clock; readonly deadlineMs: number },
    done: (forced: number) => void,
  ) {
    this.done = done;
    this.waiting = new Set();
    for (const listener of listeners) {
      listener.drain();
      if (listener.connections.size === 0) continue;
      this.waiting.add(listener);
      listener.onEmpty = () => this.emptied(listener);
    }
    if (this.waiting.size === 0) done(0);
    else this.timer = options.clock.after(options.deadlineMs, () => this.force());
  }

  private emptied(listener: Listener): void {
    if (!this.waiting.delete(listener) || this.waiting.size > 0) return;
    this.timer?.cancel();
    this.done(0);
  }

  private force(): void {
    const left = [...this.waiting];
    this.waiting.clear();
    this.done(left.reduce((sum, listener) => sum + listener.kill(), 0));
  }
}
