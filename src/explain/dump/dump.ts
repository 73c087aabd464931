/** A proxy's configuration as its admin page tells it: Envoy's ConfigDump, and Clusters beside it where it is there. */
import { at, isObject, type Json, listAt, objectAt, textAt } from "./json.ts";

export interface DumpedResource {
  readonly resource: Json;
  readonly name: string;
  /** warming: not in effect yet. refused: the proxy runs on without it, or with the one before. */
  readonly state: "static" | "active" | "warming" | "draining" | "refused";
  readonly version: string;
  /** Why it was refused. */
  readonly error: string;
}

export interface Dump {
  readonly bootstrap: Json | undefined;
  readonly clusters: readonly DumpedResource[];
  readonly listeners: readonly DumpedResource[];
  readonly routes: readonly DumpedResource[];
  readonly endpoints: readonly DumpedResource[];
  readonly secrets: readonly DumpedResource[];
  /** Of /clusters?format=json: health as the proxy sees it. */
  readonly statuses: readonly Json[];
}

/** Undefined where the value is neither a ConfigDump nor Clusters. */
export function readDump(value: unknown): Dump | undefined {
  const configs = at(value, "configs");
  const statuses = at(value, "cluster_statuses");
  if (!Array.isArray(configs) && !Array.isArray(statuses)) return undefined;
  const part = (name: string): Json | undefined =>
    listAt(value, "configs").find((c) => textAt(c, "@type").endsWith(`.${name}ConfigDump`));
  return {
    bootstrap: objectAt(part("Bootstrap"), "bootstrap"),
    clusters: lists(part("Clusters"), "cluster", {
      static_clusters: "static",
      dynamic_active_clusters: "active",
      dynamic_warming_clusters: "warming",
    }),
    listeners: listeners(part("Listeners")),
    routes: lists(part("Routes"), "route_config", {
      static_route_configs: "static",
      dynamic_route_configs: "active",
    }),
    endpoints: lists(part("Endpoints"), "endpoint_config", {
      static_endpoint_configs: "static",
      dynamic_endpoint_configs: "active",
    }),
    secrets: lists(part("Secrets"), "secret", {
      static_secrets: "static",
      dynamic_active_secrets: "active",
      dynamic_warming_secrets: "warming",
    }),
    statuses: listAt(value, "cluster_statuses"),
  };
}

type State = DumpedResource["state"];

function dumped(item: Json, field: string, state: State): readonly DumpedResource[] {
  const error = textAt(item, "error_state", "details");
  const resource = objectAt(item, field) ?? objectAt(item, "error_state", "failed_configuration");
  if (resource === undefined) return [];
  const name = textAt(resource, "name") || textAt(resource, "cluster_name") || textAt(item, "name");
  return [{ resource, name, state, version: textAt(item, "version_info"), error }];
}

function lists(
  part: Json | undefined,
  field: string,
  states: Readonly<Record<string, State>>,
): readonly DumpedResource[] {
  return Object.entries(states).flatMap(([list, state]) =>
    listAt(part, list).flatMap((item) => dumped(item, field, state)),
  );
}

function listeners(part: Json | undefined): readonly DumpedResource[] {
  const dynamic = listAt(part, "dynamic_listeners").flatMap((item): readonly DumpedResource[] => {
    const error = textAt(item, "error_state", "details");
    const found = (["active", "warming", "draining"] as const).flatMap((state) => {
      const entry = at(item, `${state}_state`);
      return isObject(entry) ? dumped(entry, "listener", state).map((d) => ({ ...d, error })) : [];
    });
    if (found.length > 0 || error === "") return found;
    const name = textAt(item, "name");
    const resource = objectAt(item, "error_state", "failed_configuration") ?? { name };
    return [
      { resource, name, state: "refused", version: textAt(item, "error_state", "version_info"), error },
    ];
  });
  return [...lists(part, "listener", { static_listeners: "static" }), ...dynamic];
}
