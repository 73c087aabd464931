export { encodeAlpn } from "./alpn.ts";
export { createTlsClient } from "./client.ts";
export { type ClientHelloPeek, peekClientHello } from "./client-hello.ts";
export { TlsConfigError } from "./config-error.ts";
export { deferAccept, type Inspection, type InspectOptions, inspect, peekBytes } from "./inspect.ts";
export { createTlsServer } from "./server.ts";
export type {
  RefusalCode,
  TlsClient,
  TlsClientOptions,
  TlsDial,
  TlsHandlers,
  TlsIdentity,
  TlsInfo,
  TlsRefusal,
  TlsRuntime,
  TlsServer,
  TlsServerOptions,
  TlsSocket,
  TlsTarget,
  TlsVersion,
  VerifyPeer,
  VerifyResult,
} from "./types.ts";
