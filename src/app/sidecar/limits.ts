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
  /** The API server is asked for so long where there is something to go on with. */
  askApiMs: 2_000,
  /** Registration: one try, and the pauses between tries that failed. */
  registerAskMs: 10_000,
  registerBaseMs: 500,
  registerMaxMs: 5_000,
  /** The WorkloadEntry is looked at this often. */
  registerResyncMs: 30_000,
  /** When the API server is back, sidecars ask the control plane within this time. */
  nudgeSpreadMs: 1_000,
  /** What a killed sidecar's command may take to end. */
  orphanMs: 2_000,
  orphanPollMs: 20,
  /** Attempts to find an address that nobody holds. */
  addressAttempts: 256,
  /**
   * Ports that applications are given on 127.0.0.1, below those that outgoing connections take by themselves: one of
   * these that is free now may be some connection's source port a moment later, and cannot be listened on then.
   */
  appPortFrom: 20_000,
  appPortTo: 32_000,
  appPortAttempts: 256,
  /** Names of holds beyond this are digested: an abstract socket's name has 107 bytes, `weft/` and a NUL included. */
  holdNameBytes: 100,
  /** Instances of one service and version with a state folder of their own. */
  maxInstances: 1_000,
} as const;
