/** Limits of the xDS server. */
export const limits = {
  /** Big responses on their way at once; RUNTIME: peak memory 320 instead of 1,080 MB for 500 proxies. */
  pushesInFlight: 16,
  /** Responses under this many bytes do not wait for a place among those. */
  smallPushBytes: 64 * 1024,
  /** A big response holds its place at most this long. */
  pushSlotMs: 5_000,
  /** Resources in one response; more follows after its ACK. */
  maxResponseBytes: 2 * 1024 * 1024,
  /** An ACK is awaited this long before the next type goes out regardless. */
  ackWaitMs: 10_000,
  /** Removals wait on a new stream until listeners and routes are asked for too, or for this long. */
  settleMs: 1_000,
  /** A client that does not read for this long loses its stream. */
  sendTimeoutMs: 30_000,
  /** Types that one stream may ask for. */
  maxTypes: 32,
  /** Names that one stream may ask for, of all types. */
  maxNames: 50_000,
  /** Requests waiting while the caller is authenticated. */
  maxQueuedRequests: 64,
  authenticateMs: 10_000,
} as const;
