/** xDS server on a pull model: delta and state of the world, aggregated and of one type. */
export { limits } from "./limits.ts";
export { type Authenticate, createXdsServer, type XdsServer, type XdsServerOptions } from "./server.ts";
export type { ProxyStatus, ResourceSource, SyncState, TypeStatus } from "./types.ts";
