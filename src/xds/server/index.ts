/** Delta ADS server on a pull model. */
export type { ProxyStatus, ResourceSource, SyncState, TypeStatus } from "./types.ts";
