/** Delta ADS client: subscribes, applies through a ConfigSink, keeps what it has while the server is away. */
export type {
  ApplyError,
  ConfigResource,
  ConfigSink,
  ConfigUpdate,
  NodeIdentity,
  XdsClientState,
  XdsClientStatus,
} from "./types.ts";
