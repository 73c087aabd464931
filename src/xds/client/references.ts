/** Which endpoints and routes the clusters and listeners name: what the client subscribes to by name. */
import { fromBinary } from "@bufbuild/protobuf";
import { type Any, anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Filter, FilterChain } from "../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { HttpConnectionManagerSchema } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";

/** Name for EDS, where the cluster takes its endpoints over ADS. Throws on bytes that are no Cluster. */
export function endpointsOf(bytes: Uint8Array): readonly string[] {
  const cluster: Cluster = fromBinary(ClusterSchema, bytes);
  const eds =
    cluster.clusterDiscoveryType.case === "type" &&
    cluster.clusterDiscoveryType.value === Cluster_DiscoveryType.EDS;
  if (!eds) return [];
  return [cluster.edsClusterConfig?.serviceName || cluster.name];
}

/** Route configurations that a listener's connection managers take over RDS. Throws on bytes that are no Listener. */
export function routesOf(bytes: Uint8Array): readonly string[] {
  const listener = fromBinary(ListenerSchema, bytes);
  const names = new Set<string>();
  const chains: FilterChain[] = [...listener.filterChains];
  if (listener.defaultFilterChain !== undefined) chains.push(listener.defaultFilterChain);
  for (const chain of chains) for (const filter of chain.filters) addRoutes(configOf(filter), names);
  addRoutes(listener.apiListener?.apiListener, names);
  return [...names];
}

const configOf = (filter: Filter): Any | undefined =>
  filter.configType.case === "typedConfig" ? filter.configType.value : undefined;

function addRoutes(config: Any | undefined, names: Set<string>): void {
  if (config === undefined || !anyIs(config, HttpConnectionManagerSchema)) return;
  const manager = anyUnpack(config, HttpConnectionManagerSchema);
  if (manager?.routeSpecifier.case === "rds") names.add(manager.routeSpecifier.value.routeConfigName);
}
