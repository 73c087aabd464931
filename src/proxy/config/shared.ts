/**
 * Shared memory between the agent and the data threads: one Int32Array (Atomics) with a block a cluster and a block
 * an endpoint, so that breaker limits, retry budgets and ejections hold for the process, not for a thread. What a thread
 * holds of the counts stands at the same words of its ledger (WorkerInit.ledger), an array that it alone writes.
 */

/** Words of a cluster's block, at ClusterConfig.slot. */
export const clusterWord = {
  connections: 0,
  pending: 1,
  requests: 2,
  retries: 3,
  /** Ejected endpoints. */
  ejected: 4,
  /** Counters for admin and metrics, wrapping at 2^31: overflows by kind. */
  cxOverflow: 5,
  pendingOverflow: 6,
  rqOverflow: 7,
  retryOverflow: 8,
  ejectionsTotal: 9,
  ejectionsOverflow: 10,
  /** Bumped when a thread has requests waiting for a connection that the limit denies it: holders of idle ones let go. */
  blocked: 11,
  /** Bumped when a connection was given back while requests wait in some thread. */
  freed: 12,
  /** Bumped at each ejection and return: pickers rebuild their lists when it changed. */
  epoch: 13,
  /** Threads that have requests waiting and hold no connection at all: others yield one to them. */
  starving: 14,
  /** Active requests of a dynamic cluster's endpoints, which have no blocks of their own. */
  dynamicActive: 15,
} as const;
export const clusterWords = 16;

/** Words of an endpoint's block, at EndpointConfig.slot. */
export const endpointWord = {
  consecutive5xx: 0,
  consecutiveGateway: 1,
  consecutiveLocal: 2,
  /** 1 while ejected. */
  ejected: 3,
  /** Times ejected, lowered by one per healthy sweep (Envoy's backoff multiplier). */
  ejections: 4,
  /** Wall clock at ejection in units of 16 ms, modulo 2^31 (threads have no monotonic origin in common). */
  ejectedAt: 5,
  /** Active requests, all threads: least request. */
  active: 6,
  /** Which detector ejected it: index in ejectionReasons. */
  reason: 7,
} as const;
export const endpointWords = 8;
export const ejectionReasons = [
  "none",
  "consecutive_5xx",
  "consecutive_gateway_failure",
  "consecutive_local_origin_failure",
] as const;

/** Words in the table: 1 MiB, enough for about 30,000 endpoints with their clusters. */
export const sharedWords = 262_144;

/**
 * The last words of the table belong to the data threads: blocks of retry budgets (RetryPolicy.budget), claimed by
 * hash of their key. The agent hands out slots below `budgetBase` only.
 */
export const budgetBlocks = 128;
export const budgetWords = 32;
export const budgetBase: number = sharedWords - budgetBlocks * budgetWords;
