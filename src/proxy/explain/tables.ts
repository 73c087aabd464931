/** Tables from compiled resources, without an agent: for `weft why`, which renders and compiles what a proxy would get. */
import type { CompiledResource } from "../compile/index.ts";
import { resolveEndpoints } from "../compile/resolve/index.ts";
import type { ClusterConfig, EndpointsConfig, ListenerConfig, RouteTableConfig } from "../config/index.ts";

export interface CompiledSet {
  readonly listeners: ReadonlyMap<string, ListenerConfig>;
  readonly routes: ReadonlyMap<string, RouteTableConfig>;
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  readonly endpoints: ReadonlyMap<string, EndpointsConfig>;
}

/** Endpoints of a cluster are its own or those of the assignment that it names. */
export function tablesOf(resources: Iterable<CompiledResource>): CompiledSet {
  const listeners = new Map<string, ListenerConfig>();
  const routes = new Map<string, RouteTableConfig>();
  const clusters = new Map<string, ClusterConfig>();
  const endpoints = new Map<string, EndpointsConfig>();
  const all = [...resources];
  const assignments = new Map(all.flatMap((r) => (r.type === "endpoints" ? [[r.name, r] as const] : [])));
  for (const r of all) {
    if (r.type === "listener") {
      listeners.set(r.name, r.config);
      for (const t of r.inlineRoutes) routes.set(t.name, t);
    } else if (r.type === "route") routes.set(r.name, r.config);
    else if (r.type === "cluster") {
      clusters.set(r.name, r.config);
      const assignment = r.edsName === undefined ? r.assignment : assignments.get(r.edsName);
      if (assignment)
        endpoints.set(
          r.name,
          resolveEndpoints(r, assignment, () => -1),
        );
    }
  }
  return { listeners, routes, clusters, endpoints };
}
