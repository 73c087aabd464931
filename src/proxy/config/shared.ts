/**
 * Shared memory between the agent and the data threads: one Int32Array (Atomics) with a block a cluster and a block
 * an endpoint, so that breaker limits, retry budgets and ejections hold for the process, not for a thread.
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
  /** Second (monotonic clock of the agent's epoch, see epochMs) at which it was ejected, in ms / 16. */
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
