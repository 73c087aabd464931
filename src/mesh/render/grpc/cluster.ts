/** Target -> Cluster and ClusterLoadAssignment, as gRPC takes them (gRFC A27, A29, A32). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
} from "../../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { LocalityLbEndpointsSchema } from "../../../proto/gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { MeshConfig } from "../../model/index.ts";
import { expectedIdentities, requestLimit, serverNameOf } from "../cluster.ts";
import type { ClusterInit } from "../cluster-init.ts";
import { type AssignmentInit, lbEndpoint } from "../endpoint.ts";
import type { Member, Target } from "../target.ts";
import { ads, duration, weftMetadata } from "../values.ts";
import { endpointsName } from "./names.ts";
import { grpcUpstreamTls } from "./tls.ts";
import { transportOf } from "./transport.ts";

/** Round robin whatever the policy says: the one balancer that every gRPC client has. */
export function grpcCluster(target: Target, config: MeshConfig): ClusterInit {
  const { name, policy, service } = target;
  const { secure } = transportOf(target);
  const socket = secure
    ? grpcUpstreamTls(expectedIdentities(target, config), serverNameOf(target))
    : undefined;
  return {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads, serviceName: endpointsName(name, secure) },
    connectTimeout: duration(policy.pool?.connectTimeoutMs ?? config.connectTimeoutMs),
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    circuitBreakers: { thresholds: [{ maxRequests: requestLimit(policy.pool) }] },
    ...(socket && { transportSocket: socket }),
    metadata: weftMetadata(target.origin, {
      service: { host: service.host, name: service.name, namespace: service.namespace },
    }),
  };
}

/**
 * One transport's endpoints. gRPC leaves out a locality without a weight, refuses one without a name, and refuses an
 * address that is there twice.
 */
export function grpcAssignment(target: Target, config: MeshConfig, secure: boolean): AssignmentInit {
  const { members } = transportOf(target);
  const distinct = new Map(members.map((m) => [`${m.endpoint.address} ${portOf(m, secure)}`, m]));
  const localities = [...Map.groupBy(distinct.values(), (m) => m.workload.locality)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  return {
    clusterName: endpointsName(target.name, secure),
    endpoints: localities.map(([name, inside]): MessageInitShape<typeof LocalityLbEndpointsSchema> => {
      const [region = "", zone = "", subZone = ""] = name.split("/");
      return {
        locality: { region, zone, subZone },
        loadBalancingWeight: inside.reduce((sum, m) => sum + Math.max(1, m.endpoint.weight), 0),
        lbEndpoints: inside.map((m) => lbEndpoint(m, config, portOf(m, secure))),
      };
    }),
  };
}

function portOf({ endpoint, workload, secure: able }: Member, secure: boolean): number {
  return secure && able ? workload.meshPort : endpoint.port;
}
