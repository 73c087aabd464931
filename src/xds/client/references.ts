/** What resources name of others, and where those are to be had: what the client subscribes to by name. */
import { fromBinary, type Message } from "@bufbuild/protobuf";
import { type Any, anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { TransportSocket } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type { ConfigSource } from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import type { Filter } from "../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import { type Listener, ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { HttpConnectionManagerSchema } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { SdsSecretConfig } from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import {
  type CommonTlsContext,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { typeUrl } from "../protocol/index.ts";

export interface Reference {
  readonly typeUrl: string;
  readonly name: string;
  /** Undefined: by name alone. */
  readonly source: ConfigSource | undefined;
}

/** What a Cluster or Listener names; other messages name nothing. Throws on an Any that does not decode. */
export function referencesIn(message: Message): readonly Reference[] {
  if (message.$typeName === ClusterSchema.typeName) return ofCluster(message as Cluster);
  if (message.$typeName === ListenerSchema.typeName) return ofListener(message as Listener);
  return [];
}

/** The same for a resource as it came. Throws on bytes that do not decode. */
export function referencesOf(any: Any): readonly Reference[] {
  if (any.typeUrl === typeUrl.cluster) return ofCluster(fromBinary(ClusterSchema, any.value));
  if (any.typeUrl === typeUrl.listener) return ofListener(fromBinary(ListenerSchema, any.value));
  return [];
}

function ofCluster(cluster: Cluster): Reference[] {
  const sockets = [cluster.transportSocket, ...cluster.transportSocketMatches.map((m) => m.transportSocket)];
  const found = sockets.flatMap(secretsOf);
  const how = cluster.clusterDiscoveryType;
  if (how.case === "type" && how.value === Cluster_DiscoveryType.EDS)
    found.push({
      typeUrl: typeUrl.endpoints,
      name: cluster.edsClusterConfig?.serviceName || cluster.name,
      source: cluster.edsClusterConfig?.edsConfig,
    });
  return found;
}

function ofListener(listener: Listener): Reference[] {
  const chains = [...listener.filterChains];
  if (listener.defaultFilterChain !== undefined) chains.push(listener.defaultFilterChain);
  const found = chains.flatMap((chain) => [
    ...chain.filters.flatMap((filter) => routesOf(configOf(filter))),
    ...secretsOf(chain.transportSocket),
  ]);
  return [...found, ...routesOf(listener.apiListener?.apiListener)];
}

const configOf = (part: Filter | TransportSocket): Any | undefined =>
  part.configType.case === "typedConfig" ? part.configType.value : undefined;

function routesOf(config: Any | undefined): Reference[] {
  if (config === undefined || !anyIs(config, HttpConnectionManagerSchema)) return [];
  const manager = anyUnpack(config, HttpConnectionManagerSchema);
  if (manager?.routeSpecifier.case !== "rds") return [];
  const { routeConfigName, configSource } = manager.routeSpecifier.value;
  return [{ typeUrl: typeUrl.route, name: routeConfigName, source: configSource }];
}

function secretsOf(socket: TransportSocket | undefined): Reference[] {
  const config = socket && configOf(socket);
  if (config === undefined) return [];
  const context = anyIs(config, UpstreamTlsContextSchema)
    ? anyUnpack(config, UpstreamTlsContextSchema)
    : anyIs(config, DownstreamTlsContextSchema)
      ? anyUnpack(config, DownstreamTlsContextSchema)
      : undefined;
  const named = context?.commonTlsContext === undefined ? [] : namedSecrets(context.commonTlsContext);
  return named.map(({ name, sdsConfig }) => ({ typeUrl: typeUrl.secret, name, source: sdsConfig }));
}

function namedSecrets(common: CommonTlsContext): SdsSecretConfig[] {
  const how = common.validationContextType;
  const trust =
    how.case === "validationContextSdsSecretConfig"
      ? how.value
      : how.case === "combinedValidationContext"
        ? how.value.validationContextSdsSecretConfig
        : undefined;
  return [...common.tlsCertificateSdsSecretConfigs, ...(trust === undefined ? [] : [trust])];
}
