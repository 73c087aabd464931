/** Limits of the gRPC layer. */
export const limits = {
  /** One message that a peer sends to the server: a node's first request with its versions (grpc-go: 4 MiB). */
  maxServerReceiveBytes: 4 * 1024 * 1024,
  /** One message that a client takes: a full configuration. */
  maxClientReceiveBytes: 64 * 1024 * 1024,
  /** Streams of one connection (Envoy's and grpc-go's default for a server: 100). */
  maxConcurrentStreams: 100,
  /** Connections of one port. */
  maxConnections: 10_000,
  /** TLS handshake and HTTP/2 preface together. */
  handshakeTimeoutMs: 10_000,
  /** Name and value bytes of a call's metadata together (grpc-go: 8 KiB soft, 16 MiB hard; Envoy: 60 KiB). */
  maxMetadataBytes: 64 * 1024,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  /** Calls in flight at stop get this long. */
  stopGraceMs: 2_000,
  /** A SETTINGS frame that is longer is not looked into (node:http2 refuses it by itself). */
  maxSettingsBytes: 16_384,
  unaryDeadlineMs: 10_000,
} as const;
