export { explain } from "./explain.ts";
export { type CompiledSet, tablesOf } from "./tables.ts";
export type {
  ClusterStep,
  EndpointStep,
  ExplainRequest,
  ExplainTables,
  Explanation,
  HostStep,
  Outcome,
  RouteStep,
  SkippedRoute,
} from "./types.ts";
