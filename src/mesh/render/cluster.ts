/** Target -> Cluster. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CircuitBreakersSchema } from "../../proto/gen/envoy/config/cluster/v3/circuit_breaker_pb.js";
import { Cluster_DiscoveryType } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { OutlierDetectionSchema } from "../../proto/gen/envoy/config/cluster/v3/outlier_detection_pb.js";
import type { ConfigSourceSchema } from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import {
  type ConnectionPool,
  carriesOut,
  type MeshConfig,
  type OutlierPolicy,
  type TrafficPolicy,
  type UpstreamSecurity,
} from "../model/index.ts";
import { balancer } from "./balancing.ts";
import type { ClusterInit } from "./cluster-init.ts";
import { localityPlan } from "./locality.ts";
import { blackHoleCluster, inboundCluster, passthroughCluster, serverName, spiffeUri } from "./names.ts";
import { byAuthority, type ClusterViewer, outsideDiscovery } from "./outside-cluster.ts";
import type { Member, Target } from "./target.ts";
import { originTls, plaintext, upstreamTls } from "./tls.ts";
import type { ProxyNode } from "./types.ts";
import { upstreamOptions } from "./upstream-options.ts";
import { ads, duration, socketAddress, weftMetadata } from "./values.ts";

const unlimited = 2 ** 32 - 1;
/** Envoy's defaults for connections, waiting requests and requests. */
const defaultLimit = 1024;
/** Envoy's default of concurrent retries. */
const defaultRetries = 3;

export function serviceCluster(
  target: Target,
  config: MeshConfig,
  secrets: MessageInitShape<typeof ConfigSourceSchema> = ads,
  viewer: ClusterViewer = { kind: "weft", captured: false },
): ClusterInit {
  const { kind } = viewer;
  const outside = outsideDiscovery(target, config, viewer);
  const { policy, service } = target;
  const outlier = policy.outlier;
  const lbConfig = commonBalancing(policy, config, kind);
  return {
    name: target.name,
    ...(outside === undefined && {
      clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: { edsConfig: ads, serviceName: target.name },
    }),
    connectTimeout: duration(policy.pool?.connectTimeoutMs ?? config.connectTimeoutMs),
    ...balancer(policy.balancing, kind),
    ...outside,
    circuitBreakers: breakers(policy, target.budgeted),
    ...(outlier && { outlierDetection: outlierDetection(outlier) }),
    ...(lbConfig && { commonLbConfig: lbConfig }),
    ...upstreamOptions(policy.pool, kind),
    ...transport(target, config, secrets),
    metadata: weftMetadata(target.origin, {
      service: { host: service.host, name: service.name, namespace: service.namespace },
    }),
  };
}

/** Without panic where places follow each other: what is sick there is a reason to go on to the next. */
function commonBalancing(
  policy: TrafficPolicy,
  config: MeshConfig,
  kind: ProxyNode["kind"],
): ClusterInit["commonLbConfig"] {
  const plan = localityPlan(policy, config);
  if (plan === undefined && policy.outlier === undefined) return undefined;
  const weighted = (plan?.distribute.length ?? 0) > 0 && carriesOut(kind, "locality-weights");
  return {
    healthyPanicThreshold: { value: policy.outlier?.minHealthPercent ?? 0 },
    ...(weighted && { localityConfigSpecifier: { case: "localityWeightedLbConfig", value: {} } }),
  };
}

/** What each endpoint can, by its metadata; or plaintext for all. */
function transport(
  target: Target,
  config: MeshConfig,
  secrets: MessageInitShape<typeof ConfigSourceSchema>,
): Pick<ClusterInit, "transportSocketMatches" | "transportSocket"> {
  const security = target.policy.security;
  if (security?.kind === "simple" || security?.kind === "mutual")
    return { transportSocket: originTls(named(security, target), security.sni ?? target.service.host) };
  if (securedMembers(target).length === 0 && security?.kind !== "mesh") return {};
  const socket = upstreamTls(expectedIdentities(target, config), serverNameOf(target), secrets);
  return {
    transportSocketMatches: [
      { name: "tlsMode-istio", match: { tlsMode: "istio" }, transportSocket: socket },
      {
        name: "tlsMode-disabled",
        match: {},
        transportSocket: security?.kind === "mesh" ? socket : plaintext,
      },
    ],
  };
}

/** A ServiceEntry's names where the policy has none. */
function named(security: UpstreamSecurity, { service }: Target): UpstreamSecurity {
  const own = service.entry?.subjectAltNames;
  return own === undefined || security.subjectAltNames.length > 0
    ? security
    : { ...security, subjectAltNames: own };
}

function securedMembers({ members, policy }: Target): readonly Member[] {
  return members.filter((m) => m.secure || (policy.security?.kind === "mesh" && m.workload.sidecar));
}

export function serverNameOf({ policy, port, service }: Target): string {
  return policy.security?.sni ?? serverName(port.port, service.host);
}

/** Who may answer over mutual TLS: the accounts of all endpoints, and what the policy adds. Never empty. */
export function expectedIdentities(target: Target, config: MeshConfig): readonly string[] {
  const domains = [config.trustDomain, ...config.trustDomainAliases];
  const accounts = securedMembers(target).flatMap(({ workload }) =>
    domains.map((d) => spiffeUri(d, workload.namespace, workload.serviceAccount)),
  );
  const given = target.policy.security?.subjectAltNames ?? [];
  const more = given.length > 0 ? given : (target.service.entry?.subjectAltNames ?? []);
  const identities = [...new Set([...accounts, ...more])].sort();
  return identities.length > 0 ? identities : [nobody(config)];
}

/** Without an endpoint nobody is to be believed; an empty list would mean anybody. */
function nobody(config: MeshConfig): string {
  return `spiffe://${config.trustDomain}/none`;
}

/** Concurrent requests to a target; Envoy's default where no policy says anything. */
export function requestLimit(pool: ConnectionPool | undefined): number {
  return pool ? (pool.maxRequests ?? unlimited) : defaultLimit;
}

/**
 * Envoy's meaning of the pool's limits. With UPGRADE, HTTP/2 would carry all requests on few connections, so over
 * HTTP/1.1 connections and waiting requests get the room of http2MaxRequests, which stays the limit.
 */
function breakers(
  { pool, retryBudget }: TrafficPolicy,
  budgeted: boolean,
): MessageInitShape<typeof CircuitBreakersSchema> {
  const requests = requestLimit(pool);
  const room = pool?.upgrade === true ? requests : 0;
  return {
    thresholds: [
      {
        maxConnections: Math.max(pool?.maxConnections ?? defaultLimit, room),
        maxPendingRequests: Math.max(pool?.maxPendingRequests ?? defaultLimit, room),
        maxRequests: requests,
        maxRetries: pool?.maxRetries ?? (budgeted ? defaultLimit : defaultRetries),
        ...(retryBudget && {
          retryBudget: {
            budgetPercent: { value: retryBudget.percent },
            minRetryConcurrency: retryBudget.minConcurrency,
          },
        }),
      },
    ],
  };
}

/** Istio's reading: gateway errors off unless asked for; success rate never; 0 switches 5xx off. */
function outlierDetection(policy: OutlierPolicy): MessageInitShape<typeof OutlierDetectionSchema> {
  const { consecutive5xx, consecutiveGatewayErrors: gateway = 0 } = policy;
  const local = policy.consecutiveLocalOriginFailures;
  return {
    ...(consecutive5xx === 0 ? { enforcingConsecutive5xx: 0 } : { enforcingConsecutive5xx: 100 }),
    ...(consecutive5xx !== undefined && consecutive5xx > 0 && { consecutive5xx }),
    ...(gateway > 0 && { consecutiveGatewayFailure: gateway, enforcingConsecutiveGatewayFailure: 100 }),
    enforcingSuccessRate: 0,
    ...(policy.splitLocalOrigin && {
      splitExternalLocalOriginErrors: true,
      enforcingLocalOriginSuccessRate: 0,
    }),
    ...(local !== undefined && local > 0 && { consecutiveLocalOriginFailure: local }),
    ...(policy.intervalMs !== undefined && { interval: duration(policy.intervalMs) }),
    ...(policy.baseEjectionMs !== undefined && { baseEjectionTime: duration(policy.baseEjectionMs) }),
    ...(policy.maxEjectionPercent !== undefined && { maxEjectionPercent: policy.maxEjectionPercent }),
  };
}

/** The application behind this proxy. */
export function appCluster(
  port: number,
  appPort: number,
  config: MeshConfig,
  target: {
    readonly host: string;
    readonly name: string;
    readonly namespace: string;
    readonly origin: Target["origin"];
    /** Absent: none. */
    readonly pool?: ConnectionPool;
  },
): ClusterInit {
  const name = inboundCluster(port);
  const { host, name: service, namespace, origin, pool } = target;
  return {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(pool?.connectTimeoutMs ?? config.connectTimeoutMs),
    ...upstreamOptions(pool, "weft"),
    // The application's own queue is the limit: a proxy beside it that refuses would hide it.
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: pool?.maxConnections ?? unlimited,
          maxPendingRequests: pool?.maxPendingRequests ?? unlimited,
          maxRequests: pool?.maxRequests ?? unlimited,
          maxRetries: pool?.maxRetries ?? unlimited,
        },
      ],
    },
    loadAssignment: {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: [
            {
              hostIdentifier: { case: "endpoint", value: { address: socketAddress("127.0.0.1", appPort) } },
            },
          ],
        },
      ],
    },
    metadata: weftMetadata(origin, { service: { host, name: service, namespace } }),
  };
}

/** Where nothing goes; and, unless connections are captured, where names outside the mesh are resolved. */
export function commonClusters(config: MeshConfig): readonly [ClusterInit, ClusterInit] {
  return [
    {
      name: blackHoleCluster,
      clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
      connectTimeout: duration(config.connectTimeoutMs),
      loadAssignment: { clusterName: blackHoleCluster },
    },
    {
      name: passthroughCluster,
      ...byAuthority,
      connectTimeout: duration(config.connectTimeoutMs),
    },
  ];
}
