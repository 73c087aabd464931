/** Listeners that wait for what they need before they serve; the version in effect goes on meanwhile. */
import type { Clock, Timer } from "../../base/index.ts";
import type { CompiledListener } from "../compile/index.ts";

/** What a listener lacks, and how long it is waited for; 0: for ever. */
export interface Need {
  readonly what: string;
  readonly waitMs: number;
}

interface Waiting {
  readonly listener: CompiledListener;
  readonly since: number;
  timer: Timer | undefined;
}

export interface WarmingOptions {
  readonly clock: Clock;
  /** What the listener still lacks: `route http_proxy`, `secret default`. */
  readonly missing: (listener: CompiledListener) => readonly Need[];
  /** It lacks nothing, or its time is over: `lacking` says what it goes without. */
  readonly activate: (listener: CompiledListener, lacking: readonly string[]) => void;
}

export class Warming {
  private readonly options: WarmingOptions;
  private readonly waiting = new Map<string, Waiting>();

  constructor(options: WarmingOptions) {
    this.options = options;
  }

  /** Activates it now, or when each thing that it lacks has come or been waited for long enough. */
  add(listener: CompiledListener): void {
    this.remove(listener.name);
    this.look({ listener, since: this.options.clock.now(), timer: undefined });
  }

  remove(name: string): void {
    this.waiting.get(name)?.timer?.cancel();
    this.waiting.delete(name);
  }

  /** Something arrived: those that need not wait any more are activated. */
  check(): void {
    for (const waiting of [...this.waiting.values()]) this.look(waiting);
  }

  private look(waiting: Waiting): void {
    const { listener, since } = waiting;
    const { clock, missing, activate } = this.options;
    this.remove(listener.name);
    const lacking = missing(listener);
    const longest = Math.max(0, ...lacking.map(({ waitMs }) => waitMs || Number.POSITIVE_INFINITY));
    const left = since + longest - clock.now();
    if (left <= 0) {
      activate(
        listener,
        lacking.map((n) => n.what),
      );
      return;
    }
    waiting.timer =
      left === Number.POSITIVE_INFINITY ? undefined : clock.after(left, () => this.look(waiting));
    this.waiting.set(listener.name, waiting);
  }

  /** Name and lack of each that waits. */
  list(): readonly { readonly listener: CompiledListener; readonly lacking: readonly string[] }[] {
    return [...this.waiting.values()].map(({ listener }) => ({
      listener,
      lacking: this.options.missing(listener).map((n) => n.what),
    }));
  }

  stop(): void {
    for (const name of [...this.waiting.keys()]) this.remove(name);
  }
}
