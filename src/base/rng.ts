/** Randomness as a parameter, so that a seed replays a run. Not for keys: use node:crypto there. */

export interface Rng {
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform integer in [0, n); n at least 1. */
  int(n: number): number;
}

export const systemRng: Rng = {
  float: () => Math.random(),
  int: (n) => Math.floor(Math.random() * n),
};

/** mulberry32: small, fast, good enough for balancing and jitter. */
export function seededRng(seed: number): Rng {
  let a = seed >>> 0;
  const float = (): number => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { float, int: (n) => Math.floor(float() * n) };
}
