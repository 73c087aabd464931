/** Cluster -> ClusterConfig, with the choice of transports that its endpoints need. */
import type { JsonValue } from "@bufbuild/protobuf";
import type { CircuitBreakers } from "../../proto/gen/envoy/config/cluster/v3/circuit_breaker_pb.js";
import {
  type Cluster,
  Cluster_DiscoveryType as Discovery,
  Cluster_LbPolicy as LbPolicy,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { RoutingPriority } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type { HttpProtocolOptions as CommonOptions } from "../../proto/gen/envoy/config/core/v3/protocol_pb.js";
import type { LeastRequest } from "../../proto/gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js";
import type { HttpProtocolOptions } from "../../proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import type { Breaker, ClusterConfig, UpstreamTls } from "../config/index.ts";
import { unpackAny } from "./any.ts";
import { type CompiledEndpoints, compileEndpoints } from "./endpoints.ts";
import { outlierConfig } from "./outlier.ts";
import type { Findings, Path } from "./path.ts";
import { type SecretSource, upstreamSocket } from "./tls.ts";
import { durationMs, isIpAddress, positiveMs, serviceOf, withOwner } from "./values.ts";
import type { Waits } from "./waits.ts";

/** An endpoint whose metadata holds all of `match` gets transport `index`; the first that fits, else 0. */
export interface TransportMatch {
  readonly index: number;
  readonly match: Readonly<Record<string, JsonValue>>;
}

export interface CompiledCluster {
  readonly type: "cluster";
  readonly name: string;
  /** Its slot is -1 until the agent gives it one. */
  readonly config: ClusterConfig;
  readonly transportMatches: readonly TransportMatch[];
  /** Name of the assignment to wait for; undefined for clusters that carry their own or need none. */
  readonly edsName?: string;
  readonly assignment?: CompiledEndpoints;
  readonly secrets: readonly SecretSource[];
  /** How long what it names is waited for, where it says so. */
  readonly waits?: Waits;
}

/** Envoy's defaults: connect 5 s, idle 1 h, panic 50 %, breakers 1024/1024/1024/3, two choices. */
const connectTimeoutMs = 5_000;
const idleTimeoutMs = 3_600_000;
const panicThreshold = 50;
const breakerDefaults: Breaker = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
};
const choiceCount = 2;

const optionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

interface Balancer {
  readonly lb: ClusterConfig["lb"];
  readonly choiceCount: number;
}

function typedBalancer(cluster: Cluster, path: Path, findings: Findings): Balancer {
  const at = path.at("load_balancing_policy").at("policies");
  const config = cluster.loadBalancingPolicy?.policies[0]?.typedExtensionConfig?.typedConfig;
  const inner = config && unpackAny(config);
  if (typeof inner === "object") {
    if (inner.$typeName.endsWith(".RoundRobin")) return { lb: "round_robin", choiceCount };
    if (inner.$typeName.endsWith(".LeastRequest"))
      return { lb: "least_request", choiceCount: (inner as LeastRequest).choiceCount ?? choiceCount };
  }
  findings.error(at, "the first policy must be round_robin or least_request");
  return { lb: "round_robin", choiceCount };
}

function balancer(cluster: Cluster, path: Path, findings: Findings): Balancer {
  if (cluster.loadBalancingPolicy) return typedBalancer(cluster, path, findings);
  const config = cluster.lbConfig;
  const choices =
    config.case === "leastRequestLbConfig" ? (config.value.choiceCount ?? choiceCount) : choiceCount;
  if (choices < 2)
    findings.error(path.at("least_request_lb_config").at("choice_count"), "must be at least 2");
  switch (cluster.lbPolicy) {
    case LbPolicy.ROUND_ROBIN:
      return { lb: "round_robin", choiceCount: choices };
    case LbPolicy.LEAST_REQUEST:
      return { lb: "least_request", choiceCount: choices };
    case LbPolicy.RANDOM:
      return { lb: "random", choiceCount: choices };
    case LbPolicy.CLUSTER_PROVIDED:
      if (
        cluster.clusterDiscoveryType.case === "clusterType" ||
        cluster.clusterDiscoveryType.value === Discovery.ORIGINAL_DST
      )
        return { lb: "round_robin", choiceCount: choices };
      break;
    default:
  }
  findings.error(
    path.at("lb_policy"),
    `${LbPolicy[cluster.lbPolicy] ?? cluster.lbPolicy} is not supported: ROUND_ROBIN, LEAST_REQUEST or RANDOM`,
  );
  return { lb: "round_robin", choiceCount: choices };
}

function breaker(breakers: CircuitBreakers | undefined, path: Path, findings: Findings): Breaker {
  const list = breakers?.thresholds ?? [];
  const at = path.at("circuit_breakers").at("thresholds");
  // No route has the HIGH priority, so its thresholds guard nothing.
  const wanted = list.filter((t) => t.priority === RoutingPriority.DEFAULT);
  if (wanted.length > 1) findings.error(at, "more than one entry for the DEFAULT priority");
  const own = wanted[0];
  if (!own) return breakerDefaults;
  const budget = own.retryBudget && {
    percent: own.retryBudget.budgetPercent?.value ?? 20,
    minConcurrency: own.retryBudget.minRetryConcurrency ?? 3,
  };
  return {
    maxConnections: own.maxConnections ?? breakerDefaults.maxConnections,
    maxPendingRequests: own.maxPendingRequests ?? breakerDefaults.maxPendingRequests,
    maxRequests: own.maxRequests ?? breakerDefaults.maxRequests,
    maxRetries: own.maxRetries ?? breakerDefaults.maxRetries,
    ...(budget ? { retryBudget: budget } : {}),
  };
}

function upstreamOptions(cluster: Cluster, path: Path, findings: Findings): CommonOptions | undefined {
  const at = path.at("typed_extension_protocol_options");
  let common = cluster.commonHttpProtocolOptions;
  for (const [key, any] of Object.entries(cluster.typedExtensionProtocolOptions)) {
    const inner = unpackAny(any);
    if (key !== optionsKey) findings.error(at.at(key), `is not supported; ${optionsKey} is`);
    if (typeof inner !== "object" || inner.$typeName !== optionsKey) continue;
    const options = inner as HttpProtocolOptions;
    const how = options.upstreamProtocolOptions;
    const explicit = how.case === "explicitHttpConfig" ? how.value.protocolConfig.case : undefined;
    if (explicit === undefined)
      findings.error(
        at.at(key),
        "explicit_http_config.http_protocol_options is required: HTTP/1.1 is spoken",
      );
    common = options.commonHttpProtocolOptions ?? common;
  }
  return common;
}

function discovery(cluster: Cluster, path: Path, findings: Findings): ClusterConfig["discovery"] {
  const how = cluster.clusterDiscoveryType;
  if (how.case === "clusterType") {
    const inner = how.value.typedConfig && unpackAny(how.value.typedConfig);
    if (typeof inner === "object" && inner.$typeName.endsWith("dynamic_forward_proxy.v3.ClusterConfig"))
      return "dynamic";
    findings.error(path.at("cluster_type"), "only envoy.clusters.dynamic_forward_proxy is supported");
    return "empty";
  }
  const type = how.case === "type" ? how.value : Discovery.STATIC;
  if (type === Discovery.ORIGINAL_DST) {
    if (cluster.loadAssignment)
      findings.error(path.at("load_assignment"), "an ORIGINAL_DST cluster has none");
    return "original";
  }
  if (type === Discovery.EDS) return "endpoints";
  const any = cluster.loadAssignment?.endpoints.some((l) => l.lbEndpoints.length > 0) ?? false;
  return any ? "endpoints" : "empty";
}

function bind(cluster: Cluster, path: Path, findings: Findings): Pick<ClusterConfig, "bindAddress"> {
  const source = cluster.upstreamBindConfig?.sourceAddress;
  if (!source) return {};
  const at = path.at("source_address");
  const port = source.portSpecifier.case === "portValue" ? source.portSpecifier.value : 0;
  if (port !== 0)
    findings.error(at.at("port_value"), "connections take a port of their own each: leave it 0");
  if (!isIpAddress(source.address)) findings.error(at.at("address"), "is not an IP address");
  return { bindAddress: source.address };
}

function transports(
  cluster: Cluster,
  secrets: SecretSource[],
  path: Path,
  findings: Findings,
): { list: (UpstreamTls | null)[]; matches: TransportMatch[] } {
  const scope = (suffix: string): { prefix: string; secrets: SecretSource[] } => ({
    prefix: `cluster/${cluster.name}${suffix}`,
    secrets,
  });
  const list = [upstreamSocket(cluster.transportSocket, scope(""), path.at("transport_socket"), findings)];
  const at = path.at("transport_socket_matches");
  const matches = cluster.transportSocketMatches.map((m, i) => {
    if (m.name === "") findings.error(at.at(i).at("name"), "is required");
    list.push(
      upstreamSocket(m.transportSocket, scope(`/${m.name}`), at.at(i).at("transport_socket"), findings),
    );
    return { index: i + 1, match: (m.match ?? {}) as Record<string, JsonValue> };
  });
  return { list, matches };
}

function checkAssignment(cluster: Cluster, path: Path, findings: Findings): void {
  const how = cluster.clusterDiscoveryType;
  const eds = how.case === "type" && how.value === Discovery.EDS;
  if (eds && cluster.loadAssignment)
    findings.error(path.at("load_assignment"), "an EDS cluster has none of its own");
  if (eds && !cluster.edsClusterConfig)
    findings.error(path.at("eds_cluster_config"), "is required for type EDS");
  if (!eds && cluster.edsClusterConfig)
    findings.error(path.at("eds_cluster_config"), "goes with type EDS only");
}

/** A cluster; mistakes go to `findings`. */
export function compileCluster(message: Cluster, path: Path, findings: Findings): CompiledCluster {
  if (message.name === "") findings.error(path.at("name"), "is required");
  checkAssignment(message, path, findings);
  const secrets: SecretSource[] = [];
  const { list, matches } = transports(message, secrets, path, findings);
  const common = upstreamOptions(message, path, findings);
  const how = message.clusterDiscoveryType;
  const eds = how.case === "type" && how.value === Discovery.EDS;
  const panic = message.commonLbConfig?.healthyPanicThreshold?.value ?? panicThreshold;
  if (panic < 0 || panic > 100)
    findings.error(path.at("common_lb_config").at("healthy_panic_threshold"), "must be 0 to 100 percent");
  const service = serviceOf(message.metadata);
  const outlierPath = path.at("outlier_detection");
  const config: ClusterConfig = {
    name: message.name,
    discovery: discovery(message, path, findings),
    ...bind(message, path.at("upstream_bind_config"), findings),
    ...balancer(message, path, findings),
    connectTimeoutMs: positiveMs(
      message.connectTimeout,
      connectTimeoutMs,
      path.at("connect_timeout"),
      findings,
    ),
    panicThreshold: panic,
    breaker: breaker(message.circuitBreakers, path, findings),
    ...(message.outlierDetection
      ? { outlier: outlierConfig(message.outlierDetection, outlierPath, findings) }
      : {}),
    transports: list,
    idleTimeoutMs: durationMs(common?.idleTimeout, idleTimeoutMs),
    ...(common?.maxConnectionDuration && {
      maxConnectionDurationMs: durationMs(common.maxConnectionDuration, 0),
    }),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? message.maxRequestsPerConnection ?? 0,
    slot: -1,
    ...(service ? { service } : {}),
    ...withOwner(message.metadata),
  };
  const assignment =
    message.loadAssignment && compileEndpoints(message.loadAssignment, path.at("load_assignment"), findings);
  return {
    type: "cluster",
    name: message.name,
    config,
    transportMatches: matches,
    ...(eds ? { edsName: message.edsClusterConfig?.serviceName || message.name } : {}),
    ...(assignment ? { assignment } : {}),
    secrets,
  };
}
