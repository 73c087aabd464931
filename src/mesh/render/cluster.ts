/** Target -> Cluster. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { CircuitBreakersSchema } from "../../proto/gen/envoy/config/cluster/v3/circuit_breaker_pb.js";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  type ClusterSchema,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { OutlierDetectionSchema } from "../../proto/gen/envoy/config/cluster/v3/outlier_detection_pb.js";
import type { ConfigSourceSchema } from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import { ClusterConfigSchema } from "../../proto/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js";
import { HttpProtocolOptionsSchema } from "../../proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import type { ConnectionPool, LoadBalancing, MeshConfig, OutlierPolicy } from "../model/index.ts";
import { dnsCache } from "./dns.ts";
import { blackHoleCluster, inboundCluster, passthroughCluster, serverName, spiffeUri } from "./names.ts";
import type { Member, Target } from "./target.ts";
import { plaintext, upstreamTls } from "./tls.ts";
import { ads, duration, socketAddress, weftMetadata } from "./values.ts";

export type ClusterInit = MessageInitShape<typeof ClusterSchema> & { name: string };

const unlimited = 2 ** 32 - 1;
/** Envoy's defaults for connections, waiting requests and requests. */
const defaultLimit = 1024;
/** Envoy's default of concurrent retries. */
const defaultRetries = 3;
const protocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

const balancers: Readonly<Record<LoadBalancing["kind"], Cluster_LbPolicy>> = {
  "least-request": Cluster_LbPolicy.LEAST_REQUEST,
  "round-robin": Cluster_LbPolicy.ROUND_ROBIN,
  random: Cluster_LbPolicy.RANDOM,
};

export function serviceCluster(
  target: Target,
  config: MeshConfig,
  secrets: MessageInitShape<typeof ConfigSourceSchema> = ads,
): ClusterInit {
  const { policy, service } = target;
  const options = policy.pool && poolOptions(policy.pool);
  const outlier = policy.outlier;
  return {
    name: target.name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads, serviceName: target.name },
    connectTimeout: duration(policy.pool?.connectTimeoutMs ?? config.connectTimeoutMs),
    lbPolicy: balancers[policy.balancing?.kind ?? "least-request"],
    circuitBreakers: breakers(policy.pool, target.budgeted),
    ...(outlier && {
      outlierDetection: outlierDetection(outlier),
      commonLbConfig: { healthyPanicThreshold: { value: outlier.minHealthPercent ?? 0 } },
    }),
    ...(options && {
      typedExtensionProtocolOptions: {
        [protocolOptions]: anyPack(HttpProtocolOptionsSchema, create(HttpProtocolOptionsSchema, options)),
      },
    }),
    ...transport(target, config, secrets),
    metadata: weftMetadata(target.origin, {
      service: { host: service.host, name: service.name, namespace: service.namespace },
    }),
  };
}

/** What each endpoint can, by its metadata; or plaintext for all. */
function transport(
  target: Target,
  config: MeshConfig,
  secrets: MessageInitShape<typeof ConfigSourceSchema>,
): Pick<ClusterInit, "transportSocketMatches"> {
  const security = target.policy.security;
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
  const more = target.policy.security?.subjectAltNames ?? [];
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
  pool: ConnectionPool | undefined,
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
      },
    ],
  };
}

function poolOptions(pool: ConnectionPool): MessageInitShape<typeof HttpProtocolOptionsSchema> | undefined {
  const idle = pool.idleTimeoutMs;
  const perConnection = pool.maxRequestsPerConnection ?? 0;
  if (idle === undefined && perConnection === 0) return undefined;
  return {
    upstreamProtocolOptions: {
      case: "explicitHttpConfig",
      value: { protocolConfig: { case: "httpProtocolOptions", value: {} } },
    },
    commonHttpProtocolOptions: {
      ...(idle !== undefined && { idleTimeout: duration(idle) }),
      ...(perConnection > 0 && { maxRequestsPerConnection: perConnection }),
    },
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
  },
): ClusterInit {
  const name = inboundCluster(port);
  const { host, name: service, namespace, origin } = target;
  return {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(config.connectTimeoutMs),
    // The application's own queue is the limit: a proxy beside it that refuses would hide it.
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: unlimited,
          maxPendingRequests: unlimited,
          maxRequests: unlimited,
          maxRetries: unlimited,
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
      lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
      clusterDiscoveryType: {
        case: "clusterType",
        value: {
          name: "envoy.clusters.dynamic_forward_proxy",
          typedConfig: anyPack(
            ClusterConfigSchema,
            create(ClusterConfigSchema, {
              clusterImplementationSpecifier: { case: "dnsCacheConfig", value: dnsCache },
            }),
          ),
        },
      },
      connectTimeout: duration(config.connectTimeoutMs),
    },
  ];
}
