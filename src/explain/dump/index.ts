/** A proxy's dumped configuration as rows: what istioctl's proxy-config shows, with the object that made each row. */
export { bootstrapFacts } from "./bootstrap.ts";
export { type ClusterRow, clusterRows } from "./clusters.ts";
export { type Dump, type DumpedResource, readDump } from "./dump.ts";
export { type EndpointRow, endpointRows } from "./endpoints.ts";
export type { DumpFilter } from "./filter.ts";
export { type ListenerRow, listenerRows } from "./listeners.ts";
export type { Owner } from "./owner.ts";
export { type RouteRow, routeRows } from "./routes.ts";
export { type SecretRow, secretRows } from "./secrets.ts";
