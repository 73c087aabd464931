import type { Rng } from "./rng.ts";

/** Exponential backoff with full jitter, as Envoy's JitteredExponentialBackOff. Times in milliseconds. */
export interface Backoff {
  /** The next wait in [0, min(max, base * 2^n)); at least 1. */
  next(): number;
  reset(): void;
}

export function backoff(options: { baseMs: number; maxMs: number; rng: Rng }): Backoff {
  let ceiling = options.baseMs;
  return {
    next() {
      const wait = Math.max(1, Math.floor(options.rng.float() * ceiling));
      ceiling = Math.min(options.maxMs, ceiling * 2);
      return wait;
    },
    reset() {
      ceiling = options.baseMs;
    },
  };
}
