/** Bounds of captured workloads' own network. */
export const limits = {
  /** Connections through the relay to outside at once, of one workload. Beyond: closed. */
  relayed: 4096,
  /** Bytes held for an end that does not read; the other end is not read from meanwhile. */
  relayBufferBytes: 256 * 1024,
  /** A relay's first line. */
  headBytes: 256,
  /** Connecting to what a relay was asked for. */
  dialMs: 10_000,
  /** Making the shared network: whoever is first makes it, the others wait. */
  networkMs: 10_000,
  networkPollMs: 20,
  /** What a workload has to end when it was told to and its parent is gone. */
  diagnosticBytes: 4096,
} as const;
