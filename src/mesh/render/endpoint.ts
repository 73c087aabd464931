/** Target -> ClusterLoadAssignment. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { HealthStatus } from "../../proto/gen/envoy/config/core/v3/health_check_pb.js";
import type {
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from "../../proto/gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { ClusterLoadAssignmentSchema } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { MeshConfig } from "../model/index.ts";
import { spiffeUri } from "./names.ts";
import { peerOf } from "./peer.ts";
import type { Member, Target } from "./target.ts";
import { socketAddress } from "./values.ts";

export type AssignmentInit = MessageInitShape<typeof ClusterLoadAssignmentSchema>;

/** Ready ones, and draining ones with their state; grouped by locality. */
export function assignment(target: Target, config: MeshConfig): AssignmentInit {
  const serving = target.members.filter((m) => m.endpoint.ready || m.endpoint.draining);
  const localities = [...Map.groupBy(serving, (m) => m.workload.locality)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  return {
    clusterName: target.name,
    endpoints: localities.map(([name, members]): MessageInitShape<typeof LocalityLbEndpointsSchema> => {
      const [region = "", zone = "", subZone = ""] = name.split("/");
      return {
        ...(name !== "" && { locality: { region, zone, subZone } }),
        lbEndpoints: members.map((m) =>
          lbEndpoint(m, config, m.secure ? m.workload.meshPort : m.endpoint.port),
        ),
      };
    }),
  };
}

export function lbEndpoint(
  member: Member,
  config: MeshConfig,
  port: number,
): MessageInitShape<typeof LbEndpointSchema> {
  const { endpoint, workload, secure } = member;
  const principal = spiffeUri(config.trustDomain, workload.namespace, workload.serviceAccount);
  return {
    hostIdentifier: {
      case: "endpoint",
      value: { address: socketAddress(endpoint.address, port) },
    },
    healthStatus: endpoint.draining ? HealthStatus.DRAINING : HealthStatus.HEALTHY,
    metadata: {
      filterMetadata: {
        ...(secure && { "envoy.transport_socket_match": { tlsMode: "istio" } }),
        weft: { peer: { ...peerOf(workload) }, ...(secure && { principal }) },
      },
    },
    loadBalancingWeight: Math.max(1, endpoint.weight),
  };
}
