/** Target -> ClusterLoadAssignment. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { HealthStatus } from "../../proto/gen/envoy/config/core/v3/health_check_pb.js";
import type {
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from "../../proto/gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { ClusterLoadAssignmentSchema } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { MeshConfig } from "../model/index.ts";
import { localityPlan, type Placement, placementsOf, type Standpoint } from "./locality.ts";
import { spiffeUri } from "./names.ts";
import { peerOf } from "./peer.ts";
import type { Member, Target } from "./target.ts";
import { socketAddress } from "./values.ts";

export type AssignmentInit = MessageInitShape<typeof ClusterLoadAssignmentSchema>;

/** Ready ones, and draining ones with their state; grouped by locality. */
export function assignment(target: Target, config: MeshConfig, from?: Standpoint): AssignmentInit {
  const placed = from && placementsOf(target.members, localityPlan(target.policy, config), from);
  if (placed !== undefined) return placedAssignment(target.name, placed, config);
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

/** Those that are not ready are told of too: how many of a place can serve decides what goes on to the next. */
function placedAssignment(
  clusterName: string,
  placed: readonly Placement[],
  config: MeshConfig,
): AssignmentInit {
  return {
    clusterName,
    endpoints: placed.map(({ locality, priority, weight, members }) => {
      const [region = "", zone = "", subZone = ""] = locality.split("/");
      return {
        ...(locality !== "" && { locality: { region, zone, subZone } }),
        priority,
        ...(weight !== undefined && { loadBalancingWeight: weight }),
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
    healthStatus: healthOf(endpoint),
    metadata: {
      filterMetadata: {
        ...(secure && { "envoy.transport_socket_match": { tlsMode: "istio" } }),
        weft: { peer: { ...peerOf(workload) }, ...(secure && { principal }) },
      },
    },
    loadBalancingWeight: Math.max(1, endpoint.weight),
  };
}

function healthOf({ ready, draining }: Member["endpoint"]): HealthStatus {
  if (draining) return HealthStatus.DRAINING;
  return ready ? HealthStatus.HEALTHY : HealthStatus.UNHEALTHY;
}
