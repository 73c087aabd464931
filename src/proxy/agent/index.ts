export { createAgent } from "./agent.ts";
export { readSecret, secretProblem } from "./secrets.ts";
export type { DataThread } from "./threads.ts";
export type {
  AddressLock,
  Agent,
  AgentEvent,
  AgentOptions,
  AgentTables,
  ClusterStatus,
  CompiledUpdate,
  EndpointStatus,
  RefusalRecord,
  ResourceError,
  ResourceUpdate,
  SourceRecord,
} from "./types.ts";
