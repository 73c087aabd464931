/** xDS client: subscribes, applies through a ConfigSink, keeps what it has while the server is away. */
export { createXdsClient, type XdsClientOptions } from "./ads.ts";
export type { Want } from "./books.ts";
export { type ClientOptions, createClient, type FeedPlan, type XdsClient } from "./client.ts";
export { deltaDialect, nameIn, sotwDialect } from "./dialect.ts";
export type { Feed, FeedHost, FeedResource, FeedResponse, FirstRequest, NameChange } from "./feed.ts";
export { limits } from "./limits.ts";
export { type Reference, referencesIn } from "./references.ts";
export { fileSnapshotStore, type SnapshotStore } from "./snapshot.ts";
export { streamFeed } from "./stream-feed.ts";
export type {
  Applied,
  ApplyError,
  ConfigResource,
  ConfigSink,
  ConfigUpdate,
  FeedStatus,
  NodeIdentity,
  XdsClientState,
  XdsClientStatus,
} from "./types.ts";
