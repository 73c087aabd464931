/** Times and limits of the control plane. */
export const limits = {
  /** Configuration waits for this long a quiet, and at most the second (Istio: 100 ms and 10 s). */
  configQuietMs: 50,
  configMaxMs: 250,
  /** Endpoints take the short way. */
  endpointsQuietMs: 10,
  endpointsMaxMs: 50,
  /** A silent instance leaves after this, so that with debounce and push it is gone within 10 s. */
  leaseSilentMs: 9_000,
  /** No lease runs out before the process has watched for so long. */
  leaseGraceMs: 15_000,
  /** Where over half fell silent at once the watch is doubted, but not for longer than this. */
  leaseDoubtMs: 60_000,
  /** The WorkloadEntry of an instance that stayed silent is removed this long after it left (Istio's grace: 10 s). */
  entryGraceMs: 60_000,
  /** Between two looks for what dead instances left behind. */
  sweepMs: 5_000,
  /** An endpoint enters without its proxy's ACK after this. */
  readyWithoutAckMs: 2_000,
  /** Status writes. */
  statusConcurrency: 4,
  statusPerSecond: 20,
  statusRetries: 5,
  statusRetryMs: 500,
  /** Messages of one object's status. */
  statusMessages: 50,
  statusMessageLength: 1_024,
} as const;
