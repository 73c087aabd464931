/** Listeners that wait for what they need before they serve; the version in effect goes on meanwhile. */
import type { Clock, Timer } from "../../base/index.ts";
import type { CompiledListener } from "../compile/index.ts";
import { warmingMs } from "./limits.ts";

interface Waiting {
  readonly listener: CompiledListener;
  readonly timer: Timer;
}

export interface WarmingOptions {
  readonly clock: Clock;
  /** What the listener still lacks: `route http_proxy`, `secret default`. */
  readonly missing: (listener: CompiledListener) => readonly string[];
  /** It lacks nothing, or its time is over: `lacking` says what it goes without. */
  readonly activate: (listener: CompiledListener, lacking: readonly string[]) => void;
}

export class Warming {
  private readonly options: WarmingOptions;
  private readonly waiting = new Map<string, Waiting>();

  constructor(options: WarmingOptions) {
    this.options = options;
  }

  /** Activates it now, or when it lacks nothing, or after warmingMs (Envoy's initial_fetch_timeout). */
  add(listener: CompiledListener): void {
    this.remove(listener.name);
    const lacking = this.options.missing(listener);
    if (lacking.length === 0) {
      this.options.activate(listener, []);
      return;
    }
    const timer = this.options.clock.after(warmingMs, () => {
      this.waiting.delete(listener.name);
      this.options.activate(listener, this.options.missing(listener));
    });
    this.waiting.set(listener.name, { listener, timer });
  }

  remove(name: string): void {
    this.waiting.get(name)?.timer.cancel();
    this.waiting.delete(name);
  }

  /** Something arrived: those that lack nothing any more are activated. */
  check(): void {
    for (const [name, { listener }] of [...this.waiting]) {
      if (this.options.missing(listener).length > 0) continue;
      this.remove(name);
      this.options.activate(listener, []);
    }
  }

  /** Name and lack of each that waits. */
  list(): readonly { readonly listener: CompiledListener; readonly lacking: readonly string[] }[] {
    return [...this.waiting.values()].map(({ listener }) => ({
      listener,
      lacking: this.options.missing(listener),
    }));
  }

  stop(): void {
    for (const name of [...this.waiting.keys()]) this.remove(name);
  }
}
