/** Limits of the xDS client. */
export const limits = {
  /** Reconnect: full jitter between nothing and this, doubled up to the last (Envoy: 0.5 to 30 s). */
  reconnectBaseMs: 500,
  reconnectMaxMs: 30_000,
  /** A sidecar's: each attempt asks where the control plane is by now, so it shall not be long in coming. */
  sidecarReconnectMaxMs: 10_000,
  /** Responses of one feed received and not yet applied; a server keeps one outstanding a type. */
  maxQueuedResponses: 64,
  /** A NACK's text. */
  maxNackBytes: 16 * 1024,
  /** Listeners and routes wait this long for endpoints of clusters that came before them. */
  endpointsWaitMs: 2_000,
  /** The same refusal again is told after growing pauses: some servers answer a NACK by the same again, at once. */
  repeatedNackBaseMs: 250,
  repeatedNackMaxMs: 5_000,
  /** A cluster that the server took away goes at the latest after this, whatever still names it. */
  holdRemovalMs: 15_000,
  /** Changes are gathered this long before the last good snapshot is written. */
  snapshotDelayMs: 1_000,
} as const;
