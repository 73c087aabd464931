/** Where `weft check` begins to warn, and where it fails. */
export const limits = {
  /** Difference of clocks. Tokens tolerate 60 s, certificates are back-dated 2 min. */
  skewWarnMs: 5_000,
  skewErrorMs: 60_000,
  /** A CA's root (linkerd check: 60 days), an API server's certificate, and what is made anew each day. */
  rootWarnMs: 60 * 86_400_000,
  apiWarnMs: 14 * 86_400_000,
  leafWarnMs: 3_600_000,
  /** A write that takes longer makes every change slow. */
  slowWriteMs: 1_000,
  diskWarnBytes: 1_000_000_000,
  diskErrorBytes: 50_000_000,
  /** The control plane's Lease is renewed every 3 s. */
  heartbeatMs: 10_000,
  /** Two sockets a connection; Envoy's notes ask for at least this many. */
  filesWarn: 4_096,
  /** One connection or page. */
  connectMs: 3_000,
  /** Names in one line. */
  names: 5,
} as const;
