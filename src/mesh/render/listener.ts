/** The listeners of an explicit-mode proxy. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TrafficDirection } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type {
  FilterChainSchema,
  FilterSchema,
} from "../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { isHttp, type MeshConfig } from "../model/index.ts";
import { agentSecrets, inboundFields, tunnelListener, tunnelName } from "./envoy.ts";
import { outboundFilters } from "./http-filters.ts";
import { accessLogs, httpManager } from "./http-manager.ts";
import type { InboundPort } from "./inbound.ts";
import { forwardPort, forwardRoutes, inboundCluster } from "./names.ts";
import { inspectors, tcpProxy } from "./network-filters.ts";
import { limitedRoutes, limitFilters } from "./rate-limit.ts";
import { retryPolicy } from "./retry.ts";
import { downstreamTls, meshAlpn } from "./tls.ts";
import type { ProxyNode } from "./types.ts";
import { ads, duration, socketAddress, weftMetadata } from "./values.ts";

export type ListenerInit = MessageInitShape<typeof ListenerSchema> & { name: string };
type ChainInit = MessageInitShape<typeof FilterChainSchema>;
/** Whose listeners they are. */
type ListeningNode = Pick<ProxyNode, "address" | "kind">;

const forwardTable = {
  case: "rds" as const,
  value: { configSource: ads, routeConfigName: forwardRoutes },
};

/** Envoy binds alone: with SO_REUSEPORT a second process could mix its identity in. Weft's agent holds a lock. */
function listening(node: ListeningNode, port: number): Pick<ListenerInit, "address" | "enableReusePort"> {
  return {
    address: socketAddress(node.address, port),
    ...(node.kind === "envoy" && { enableReusePort: false }),
  };
}

/** Outbound: everything that applications send through the proxy variables. */
export function forwardListener(node: ListeningNode, config: MeshConfig): ListenerInit {
  const manager = httpManager(config, {
    statPrefix: forwardRoutes,
    forwardProxy: true,
    filters: outboundFilters(node.kind),
    envoy: node.kind === "envoy",
    routes: forwardTable,
  });
  return {
    name: forwardRoutes,
    ...listening(node, forwardPort),
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [{ name: forwardRoutes, filters: [manager] }],
    metadata: { filterMetadata: { weft: { forward_proxy: true } } },
  };
}

/** What is within a CONNECT tunnel; only for Envoy, Weft's proxy looks into tunnels itself. */
export function tunnels(config: MeshConfig): ListenerInit {
  const manager = httpManager(config, {
    statPrefix: tunnelName,
    forwardProxy: "tunnel",
    filters: outboundFilters("envoy"),
    routes: forwardTable,
  });
  return tunnelListener(manager, accessLogs(config.accessLog));
}

/** Plaintext to the published port. STRICT: accepted and closed, with the policy's name. */
export function plainListener(node: ListeningNode, port: InboundPort, config: MeshConfig): ListenerInit {
  const name = `inbound_${port.port}`;
  const strict = port.mtls.mode === "strict";
  const chain: ChainInit = {
    name,
    filters: strict ? [] : [inboundFilter(node, port, config)],
    metadata: weftMetadata(strict ? port.mtls.origin : port.origin),
  };
  return {
    name,
    ...listening(node, port.port),
    trafficDirection: TrafficDirection.INBOUND,
    filterChains: [chain],
    metadata: weftMetadata(port.origin),
  };
}

/** Mutual TLS of the mesh: the server name chooses the port. */
export function meshListener(
  node: ListeningNode,
  meshPort: number,
  ports: readonly InboundPort[],
  config: MeshConfig,
): ListenerInit {
  return {
    name: "mesh_inbound",
    ...listening(node, meshPort),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: [inspectors.tls],
    filterChains: ports
      .filter((p) => p.mtls.mode !== "disable")
      .map((p) => ({
        name: `mesh_inbound_${p.port}`,
        filterChainMatch: {
          serverNames: [...p.serverNames],
          transportProtocol: "tls",
          applicationProtocols: meshAlpn,
        },
        filters: [inboundFilter(node, p, config)],
        transportSocket: downstreamTls(
          [config.trustDomain, ...config.trustDomainAliases],
          node.kind === "envoy" ? agentSecrets : ads,
        ),
        metadata: weftMetadata(p.mtls.origin),
      })),
  };
}

export function inboundFilter(
  node: ListeningNode,
  port: InboundPort,
  config: MeshConfig,
): MessageInitShape<typeof FilterSchema> {
  const cluster = inboundCluster(port.port);
  const statPrefix = `inbound_${port.port}`;
  if (!isHttp(port.protocol)) return tcpProxy(statPrefix, cluster, config);
  return httpManager(config, {
    statPrefix,
    forwardProxy: false,
    filters: limitFilters(port.limits, node.kind),
    routes: {
      case: "routeConfig",
      value: {
        name: cluster,
        ...(node.kind === "envoy" && inboundFields),
        virtualHosts: [
          {
            name: `inbound|http|${port.port}`,
            domains: ["*"],
            routes: limitedRoutes(inboundRoute(cluster, port), port.limits, node.kind),
          },
        ],
      },
    },
  });
}

/** A kept connection that the application closed just then: no byte was sent, so once more is safe. */
const keptConnectionRace = {
  attempts: 1,
  on: ["reset-before-request"],
  statusCodes: [],
  idempotentOnly: false,
  backoffBaseMs: 25,
  backoffMaxMs: 250,
  // There is one application.
  avoidTried: false,
} as const;

const keptConnectionRetry = retryPolicy(keptConnectionRace, "weft");

function inboundRoute(cluster: string, port: InboundPort) {
  return {
    name: "default",
    match: { pathSpecifier: { case: "prefix" as const, value: "/" } },
    action: {
      case: "route" as const,
      value: {
        clusterSpecifier: { case: "cluster" as const, value: cluster },
        timeout: duration(0),
        ...(keptConnectionRetry && { retryPolicy: keptConnectionRetry }),
      },
    },
    metadata: weftMetadata(port.origin),
  };
}
