/** Delta ADS server on a pull model. */
export { limits } from "./limits.ts";
export { type Authenticate, createXdsServer, type XdsServer, type XdsServerOptions } from "./server.ts";
export type { ProxyStatus, ResourceSource, SyncState, TypeStatus } from "./types.ts";
