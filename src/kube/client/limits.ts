/** Limits of the Kubernetes client; values as client-go's where it has one. */
export const limits = {
  /** A request that is no watch. */
  requestTimeoutMs: 30_000,
  /** One page of a list (client-go's pager: 500). */
  listPageSize: 500,
  /** One answer that is no watch. A page of 500 objects of etcd's 1.5 MB would be more: pages are then smaller. */
  maxResponseBytes: 256 * 1024 * 1024,
  /** One event of a watch (an object is at most 1.5 MB in etcd, 3 MB in a request). */
  maxWatchEventBytes: 8 * 1024 * 1024,
  /** The server ends a watch after this many seconds, the client 30 s later by itself. */
  watchSeconds: 300,
  watchGraceMs: 30_000,
  /** Informers: first wait after a failure, doubled up to the last, with full jitter. */
  retryBaseMs: 200,
  retryMaxMs: 10_000,
  /** Informers list again this often, whatever the watch said. */
  resyncMs: 600_000,
  /** Informers of a kind that the server does not serve. */
  absentKindMs: 30_000,
  /** Leases. */
  leaseRenewMs: 3_000,
  leaseSeconds: 10,
  /** One write of a lease: less than its life, so that a hanging server costs one renewal only. */
  leaseWriteMs: 5_000,
} as const;
