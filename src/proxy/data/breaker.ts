/**
 * Circuit breakers: counts shared by all threads of the process (shared.ts), so that limits hold for the process. What
 * this thread holds of them stands in its ledger as well: from there the agent takes it back if the thread dies.
 */
import { type Breaker, clusterWord } from "../config/index.ts";

export class SharedCounts {
  /** The table of shared.ts. */
  readonly table: Int32Array;
  /** This thread's part of each word; it is the only writer. */
  private readonly ledger: Int32Array;

  constructor(table: Int32Array, ledger: Int32Array) {
    this.table = table;
    this.ledger = ledger;
  }

  add(word: number, by: number): void {
    this.ledger[word]! += by;
    Atomics.add(this.table, word, by);
  }

  load(word: number): number {
    return Atomics.load(this.table, word);
  }

  /** Takes one of `limit`; false leaves the count as it was. */
  tryAcquire(word: number, limit: number): boolean {
    if (Atomics.add(this.table, word, 1) < limit) {
      this.ledger[word]!++;
      return true;
    }
    Atomics.sub(this.table, word, 1);
    return false;
  }

  release(word: number): void {
    this.add(word, -1);
  }

  /** Retries in flight: max_retries, or Envoy's retry_budget of the requests active and pending. */
  tryAcquireRetry(slot: number, breaker: Breaker): boolean {
    const word = slot + clusterWord.retries;
    const budget = breaker.retryBudget;
    if (!budget) return this.tryAcquire(word, breaker.maxRetries);
    const active = this.load(slot + clusterWord.requests) + this.load(slot + clusterWord.pending);
    return this.tryAcquire(
      word,
      Math.max(budget.minConcurrency, Math.floor((budget.percent / 100) * active)),
    );
  }
}
