/** Times and bounds around an Envoy that the agent runs. */
export const limits = {
  /** Waits before an Envoy that died is started again: doubling with jitter. */
  restartBaseMs: 50,
  restartMaxMs: 10_000,
  /** One that lived this long starts its waits anew. */
  restartResetMs: 60_000,
  /** Between two looks whether it has become live, and while a drain waits for requests. */
  lookMs: 25,
  /** One question to its administration socket. */
  adminMs: 5_000,
  /** Its metrics page; 1,000 clusters make some 3 MB. */
  maxPageBytes: 64 * 1024 * 1024,
  /** How long a response of the control plane waits for Envoy's verdict before it counts as taken. */
  verdictMs: 5_000,
  /** From SIGTERM to SIGKILL. */
  stopMs: 2_000,
  /** Longest line of its log. */
  maxLogLine: 16 * 1024,
  /** Longest path of a Unix socket (sun_path: 108 with the closing zero). */
  maxSocketPath: 107,
  /** Connections from outside that it holds at once; Weft's proxy: 20,000 a thread. */
  maxConnections: 40_000,
} as const;
