/** Bounds around a gRPC application without a proxy. */
export const limits = {
  /** Streams to the control plane that one application opens at a time; each channel pool of a library has one. */
  maxConnections: 64,
  /** TCP and TLS to the control plane; Envoy's connect_timeout default. */
  connectMs: 5_000,
  /** How often gRPC libraries look at the certificate files. */
  refreshSeconds: 10,
  /** Longest path of a Unix socket (sun_path: 108 with the closing zero). */
  maxSocketPath: 107,
} as const;
