/** Circuit breakers: counts shared by all threads of the process (shared.ts), so that limits hold for the process. */
import { type Breaker, clusterWord } from "../config/index.ts";

/** Takes one of `limit`; false leaves the count as it was. */
export function tryAcquire(table: Int32Array, word: number, limit: number): boolean {
  if (Atomics.add(table, word, 1) < limit) return true;
  Atomics.sub(table, word, 1);
  return false;
}

export function release(table: Int32Array, word: number): void {
  Atomics.sub(table, word, 1);
}

/** Retries in flight: max_retries, or Envoy's retry_budget of the requests active and pending. */
export function tryAcquireRetry(table: Int32Array, slot: number, breaker: Breaker): boolean {
  const budget = breaker.retryBudget;
  if (!budget) return tryAcquire(table, slot + clusterWord.retries, breaker.maxRetries);
  const active =
    Atomics.load(table, slot + clusterWord.requests) + Atomics.load(table, slot + clusterWord.pending);
  const limit = Math.max(budget.minConcurrency, Math.floor((budget.percent / 100) * active));
  return tryAcquire(table, slot + clusterWord.retries, limit);
}
