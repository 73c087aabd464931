/** Pieces that listeners of captured connections have in common. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
} from "../../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { AddressSchema } from "../../../proto/gen/envoy/config/core/v3/address_pb.js";
import type { MeshConfig } from "../../model/index.ts";
import type { ClusterInit } from "../cluster-init.ts";
import { blackHoleCluster, passthroughCluster } from "../names.ts";
import { duration } from "../values.ts";

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
