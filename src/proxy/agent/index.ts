export { createAgent } from "./agent.ts";
export { peerMetadata } from "./peer-metadata.ts";
export { readSecret, secretProblem } from "./secrets.ts";
export type { DataThread } from "./threads.ts";
export type {
  Agent,
  AgentEvent,
  AgentOptions,
  AgentTables,
  ClusterStatus,
  CompiledUpdate,
  EndpointStatus,
  LockAddress,
  RefusalRecord,
  ResourceError,
  ResourceUpdate,
  SourceRecord,
} from "./types.ts";
