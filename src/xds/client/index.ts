/** Delta ADS client: subscribes, applies through a ConfigSink, keeps what it has while the server is away. */
export { createXdsClient, type XdsClient, type XdsClientOptions } from "./client.ts";
export { limits } from "./limits.ts";
export { fileSnapshotStore, type SnapshotStore } from "./snapshot.ts";
export type {
  ApplyError,
  ConfigResource,
  ConfigSink,
  ConfigUpdate,
  NodeIdentity,
  XdsClientState,
  XdsClientStatus,
} from "./types.ts";
