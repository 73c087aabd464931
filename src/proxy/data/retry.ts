/** Whether a request may be tried again: policy, count, breaker, budget, back-off. One object a request that has a policy. */
import { getHeader } from "../../wire/http/index.ts";
import type { ResponseHead } from "../../wire/http1/index.ts";
import type { Cluster } from "./cluster.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { type CompiledRetry, retriesFailure, retriesStatus, type TryFailure } from "./retry-policy.ts";

export type RetryVerdict = "yes" | "no" | "exhausted";

export class RetryState {
  private readonly rule: CompiledRetry;
  private readonly cluster: Cluster;
  private readonly budget: RetryBudget | null;
  private left: number;
  private ceilingMs: number;

  constructor(rule: CompiledRetry, cluster: Cluster, budget: RetryBudget | null) {
    this.rule = rule;
    this.cluster = cluster;
    this.budget = budget;
    this.left = rule.policy.numRetries;
    this.ceilingMs = rule.policy.backoffBaseMs;
  }

  /** The first try goes out. */
  begin(): void {
    this.budget?.deposit(this.cluster.runtime.clock.wall());
  }

  /** After a try without an answer. "yes" has taken a retry of the breaker, which the caller releases. */
  afterFailure(failure: TryFailure): RetryVerdict {
    return retriesFailure(this.rule.on, failure) ? this.take() : "no";
  }

  afterAnswer(head: ResponseHead): RetryVerdict {
    const limited = head.status === 429 && getHeader(head.headers, "x-envoy-ratelimited") !== undefined;
    return retriesStatus(this.rule, head.status, limited) ? this.take() : "no";
  }

  /** Milliseconds to wait: full jitter below a doubling ceiling (Envoy's JitteredExponentialBackOff). */
  backoff(): number {
    const { backoffMaxMs } = this.rule.policy;
    const wait = this.cluster.runtime.rng.float() * this.ceilingMs;
    this.ceilingMs = Math.min(backoffMaxMs, this.ceilingMs * 2);
    return wait;
  }

  private take(): RetryVerdict {
    const { cluster } = this;
    const { counts, clock } = cluster.runtime;
    const { metrics } = cluster;
    if (this.left === 0) {
      metrics.add(metrics.retryLimit, 1);
      return "exhausted";
    }
    const breaker = counts.tryAcquireRetry(cluster.slot, cluster.limits);
    if (!breaker || (this.budget !== null && !this.budget.withdraw(clock.wall()))) {
      if (breaker) cluster.releaseRetry();
      metrics.add(metrics.retryOverflow, 1);
      cluster.countRetryOverflow();
      return "no";
    }
    this.left--;
    return "yes";
  }
}
