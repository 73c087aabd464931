/** Pieces that listeners of captured connections have in common. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
} from "../../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { AddressSchema } from "../../../proto/gen/envoy/config/core/v3/address_pb.js";
import type {
  FilterSchema,
  ListenerFilterSchema,
} from "../../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import { HttpInspectorSchema } from "../../../proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js";
import { OriginalDstSchema } from "../../../proto/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js";
import { TlsInspectorSchema } from "../../../proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js";
import { TcpProxySchema } from "../../../proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import type { MeshConfig } from "../../model/index.ts";
import type { ClusterInit } from "../cluster-init.ts";
import { accessLogs } from "../http-manager.ts";
import { blackHoleCluster, passthroughCluster } from "../names.ts";
import { duration } from "../values.ts";

type ListenerFilterInit = MessageInitShape<typeof ListenerFilterSchema>;

/** Ports that redirect rules lead to; Istio's. */
export const capturePorts = { outbound: 15001, inbound: 15006 } as const;
export const inboundPassthrough = "InboundPassthroughCluster";
/** Connections from here to the workload's own address are not redirected again; Istio's. */
const passthroughSource = "127.0.0.6";

/** Every address of the namespace; with IPv6 one socket takes both. */
export function everywhere(dual: boolean, port: number): MessageInitShape<typeof AddressSchema> {
  const portSpecifier = { case: "portValue" as const, value: port };
  const value = dual
    ? { address: "::", ipv4Compat: true, portSpecifier }
    : { address: "0.0.0.0", portSpecifier };
  return { address: { case: "socketAddress", value } };
}

export function tcpProxy(
  statPrefix: string,
  cluster: string,
  config: MeshConfig,
): MessageInitShape<typeof FilterSchema> {
  const proxy = create(TcpProxySchema, {
    statPrefix,
    clusterSpecifier: { case: "cluster", value: cluster },
    accessLog: accessLogs(config.accessLog),
  });
  return {
    name: "envoy.filters.network.tcp_proxy",
    configType: { case: "typedConfig", value: anyPack(TcpProxySchema, proxy) },
  };
}

const filter = (name: string, value: Any): ListenerFilterInit => ({
  name: `envoy.filters.listener.${name}`,
  configType: { case: "typedConfig", value },
});

export const inspectors = {
  originalDst: filter("original_dst", anyPack(OriginalDstSchema, create(OriginalDstSchema))),
  tls: filter("tls_inspector", anyPack(TlsInspectorSchema, create(TlsInspectorSchema))),
  http: filter("http_inspector", anyPack(HttpInspectorSchema, create(HttpInspectorSchema))),
} as const;

/** To wherever the connection was meant to go. */
function original(name: string, config: MeshConfig) {
  return {
    name,
    clusterDiscoveryType: { case: "type" as const, value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    connectTimeout: duration(config.connectTimeoutMs),
  };
}

export const outboundPassthrough = (config: MeshConfig): ClusterInit => original(passthroughCluster, config);

export const inboundPassthroughCluster = (config: MeshConfig): ClusterInit => ({
  ...original(inboundPassthrough, config),
  upstreamBindConfig: {
    sourceAddress: { address: passthroughSource, portSpecifier: { case: "portValue", value: 0 } },
  },
});

/** How long a connection is looked at before it is taken for one that waits for the server to speak. */
export const inspectTimeout = duration(5000);

/** What no service is known for. */
export function unknownTarget(config: MeshConfig): string {
  return config.outbound === "allow-any" ? passthroughCluster : blackHoleCluster;
}
