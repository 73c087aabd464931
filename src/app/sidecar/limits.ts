/** Times and bounds of a sidecar's life. */
export const limits = {
  /** From start until the proxy has its configuration and certificate. */
  startMs: 30_000,
  /** Between two probes of an application that is not ready yet, then of one that is. */
  probeFastMs: 100,
  probeSlowMs: 2_000,
  /** One probe. */
  probeTimeoutMs: 2_000,
  /** Probes in a row that must fail before a ready application is called unready (kubelet's default). */
  probeFailures: 3,
  /** Waiting for the mesh to know that this endpoint drains: DESIGN section 6. */
  drainAckMs: 5_000,
  drainPollMs: 100,
  /** Requests in flight may take this long when the inbound side drains (Istio's terminationDrainDuration: 5 s). */
  drainInboundMs: 10_000,
  /** After this the command is killed (Kubernetes' terminationGracePeriodSeconds: 30). */
  commandStopMs: 20_000,
  drainOutboundMs: 1_000,
  /** Attempts to find an address that nobody holds. */
  addressAttempts: 256,
  /** Instances of one service and version with a state folder of their own. */
  maxInstances: 1_000,
} as const;
