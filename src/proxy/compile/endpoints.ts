/** ClusterLoadAssignment -> endpoints, before their slots and transports are known. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { HealthStatus } from "../../proto/gen/envoy/config/core/v3/health_check_pb.js";
import type { LbEndpoint } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { ClusterLoadAssignment } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { EndpointConfig, Peer } from "../config/index.ts";
import type { Findings, Path } from "./path.ts";
import { hostPort, metadataOf, objectAt, socketAddress, stringAt } from "./values.ts";

/** An endpoint whose transport is still to be chosen by its cluster. */
export interface CompiledEndpoint extends Omit<EndpointConfig, "slot" | "transport"> {
  /** filter_metadata `envoy.transport_socket_match`. */
  readonly transportMatch: Readonly<Record<string, JsonValue>>;
}

export interface CompiledEndpoints {
  readonly type: "endpoints";
  /** The name of the assignment: a cluster's name or its EDS service name. */
  readonly name: string;
  readonly endpoints: readonly CompiledEndpoint[];
}

/** Envoy's highest priority is 127. */
const maxPriority = 127;

function peerOf(weft: JsonObject): Peer | undefined {
  const peer = objectAt(weft, "peer");
  if (!peer) return undefined;
  return {
    workload: stringAt(peer, "workload"),
    namespace: stringAt(peer, "namespace"),
    app: stringAt(peer, "app"),
    version: stringAt(peer, "version"),
    service: stringAt(peer, "service"),
    revision: stringAt(peer, "revision"),
    cluster: stringAt(peer, "cluster"),
  };
}

const healthy = new Set<HealthStatus>([HealthStatus.UNKNOWN, HealthStatus.HEALTHY]);

function endpoint(
  message: LbEndpoint,
  priority: number,
  path: Path,
  findings: Findings,
): CompiledEndpoint | undefined {
  if (message.hostIdentifier.case !== "endpoint") {
    findings.error(path.at("endpoint"), "is required");
    return undefined;
  }
  const { host, port } = socketAddress(
    message.hostIdentifier.value.address,
    path.at("endpoint").at("address"),
    findings,
  );
  if (message.healthStatus === HealthStatus.DEGRADED)
    findings.error(path.at("health_status"), "DEGRADED is not supported");
  const weight = message.loadBalancingWeight ?? 1;
  if (weight < 1) findings.error(path.at("load_balancing_weight"), "must be at least 1");
  const peer = peerOf(metadataOf(message.metadata, "weft"));
  return {
    address: hostPort(host, port),
    host,
    port,
    weight,
    priority,
    healthy: healthy.has(message.healthStatus),
    ...(peer ? { peer } : {}),
    transportMatch: metadataOf(message.metadata, "envoy.transport_socket_match"),
  };
}

/** An assignment; an address that comes twice is taken once, as in Envoy. Mistakes go to `findings`. */
export function compileEndpoints(
  message: ClusterLoadAssignment,
  path: Path,
  findings: Findings,
): CompiledEndpoints {
  const byAddress = new Map<string, CompiledEndpoint>();
  for (const [i, locality] of message.endpoints.entries()) {
    const at = path.at("endpoints").at(i);
    if (locality.priority > maxPriority)
      findings.error(at.at("priority"), `at most ${maxPriority} is allowed`);
    for (const [j, item] of locality.lbEndpoints.entries()) {
      const found = endpoint(item, locality.priority, at.at("lb_endpoints").at(j), findings);
      if (found && !byAddress.has(found.address)) byAddress.set(found.address, found);
    }
  }
  return { type: "endpoints", name: message.clusterName, endpoints: [...byAddress.values()] };
}
