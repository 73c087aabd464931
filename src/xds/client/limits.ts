/** Limits of the xDS client. */
export const limits = {
  /** Reconnect: full jitter between nothing and this, doubled up to the last (Envoy: 0.5 to 30 s). */
  reconnectBaseMs: 500,
  reconnectMaxMs: 30_000,
  /** Responses received and not yet applied; the server keeps one outstanding a type. */
  maxQueuedResponses: 64,
  /** A NACK's text. */
  maxNackBytes: 16 * 1024,
  /** Changes are gathered this long before the last good snapshot is written. */
  snapshotDelayMs: 1_000,
} as const;
