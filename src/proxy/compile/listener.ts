/** Listener -> ListenerConfig, with the route tables and secrets that it holds itself. */
import { TrafficDirection } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type {
  FilterChain,
  FilterChainMatch,
} from "../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import type { Listener } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import type { HttpConnectionManager } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { TcpProxy } from "../../proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import type {
  FilterChainConfig,
  ListenerConfig,
  RouteTableConfig,
  WeightedCluster,
} from "../config/index.ts";
import { accessLogs } from "./access-log.ts";
import { unpackAny } from "./any.ts";
import { httpManager } from "./http-manager.ts";
import type { Findings, Path } from "./path.ts";
import { downstreamSocket, type SecretSource } from "./tls.ts";
import { durationMs, hostPort, metadataOf, socketAddress, withOwner } from "./values.ts";
import type { Waits } from "./waits.ts";

/** listener_filters_timeout's default. */
const detectTimeoutMs = 15_000;
/** TcpProxy.idle_timeout's default. */
const tcpIdleTimeoutMs = 3_600_000;

export interface CompiledListener {
  readonly type: "listener";
  readonly name: string;
  readonly config: ListenerConfig;
  /** Tables compiled from inline route_configs; they live and die with the listener. */
  readonly inlineRoutes: readonly RouteTableConfig[];
  /** Route tables that must be there before it serves. */
  readonly routeTables: readonly string[];
  readonly secrets: readonly SecretSource[];
  /** How long what it names is waited for, where it says so. */
  readonly waits?: Waits;
}

interface Scope {
  readonly listener: string;
  readonly forwardProxy: boolean;
  readonly inlineRoutes: RouteTableConfig[];
  readonly secrets: SecretSource[];
}

const directions: Readonly<Record<TrafficDirection, ListenerConfig["direction"]>> = {
  [TrafficDirection.UNSPECIFIED]: "unspecified",
  [TrafficDirection.INBOUND]: "inbound",
  [TrafficDirection.OUTBOUND]: "outbound",
};

function transportProtocol(
  match: FilterChainMatch | undefined,
  path: Path,
  findings: Findings,
): FilterChainConfig["transportProtocol"] {
  const value = match?.transportProtocol ?? "";
  if (value === "" || value === "tls" || value === "raw_buffer") return value;
  findings.error(
    path.at("transport_protocol"),
    `${JSON.stringify(value)} is not supported: tls or raw_buffer`,
  );
  return "";
}

function chainMatch(
  chain: FilterChain,
  path: Path,
  findings: Findings,
): Pick<FilterChainConfig, "serverNames" | "alpn" | "transportProtocol" | "destinationPort"> {
  const match = chain.filterChainMatch;
  const at = path.at("filter_chain_match");
  const serverNames = (match?.serverNames ?? []).map((n, i) => {
    const wild = n.startsWith("*.") ? n.slice(2) : n;
    if (wild === "" || wild.includes("*"))
      findings.error(at.at("server_names").at(i), "a name, or *. and a name, is required");
    return n.toLowerCase();
  });
  return {
    serverNames,
    alpn: match?.applicationProtocols ?? [],
    transportProtocol: transportProtocol(match, at, findings),
    ...(match?.destinationPort !== undefined ? { destinationPort: match.destinationPort } : {}),
  };
}

/** Where tcp_proxy leads to: one cluster, or several by weight. */
function tcpClusters(
  { clusterSpecifier: to }: TcpProxy,
  path: Path,
  findings: Findings,
): readonly WeightedCluster[] {
  if (to.case !== "weightedClusters") {
    const cluster = to.case === "cluster" ? to.value : "";
    if (cluster === "") findings.error(path.at("cluster"), "is required");
    return [{ cluster, weight: 1 }];
  }
  const at = path.at("weighted_clusters").at("clusters");
  if (to.value.clusters.length === 0) findings.error(at, "at least one is required");
  return to.value.clusters.map((c, i) => {
    if (c.name === "") findings.error(at.at(i).at("name"), "is required");
    if (c.weight < 1) findings.error(at.at(i).at("weight"), "must be 1 or more");
    return { cluster: c.name, weight: c.weight };
  });
}

function tcpFilter(proxy: TcpProxy, path: Path, findings: Findings): FilterChainConfig["filter"] {
  const clusters = tcpClusters(proxy, path, findings);
  const connectAttempts = proxy.maxConnectAttempts ?? 1;
  if (connectAttempts < 1) findings.error(path.at("max_connect_attempts"), "must be 1 or more");
  return {
    kind: "tcp",
    clusters,
    totalWeight: clusters.reduce((sum, c) => sum + c.weight, 0),
    connectAttempts,
    statPrefix: proxy.statPrefix,
    idleTimeoutMs: durationMs(proxy.idleTimeout, tcpIdleTimeoutMs),
    accessLogs: accessLogs(proxy.accessLog, path.at("access_log"), findings),
  };
}

function networkFilter(
  chain: FilterChain,
  name: string,
  scope: Scope,
  path: Path,
  findings: Findings,
): FilterChainConfig["filter"] {
  const [first, second] = chain.filters;
  if (!first) return { kind: "close" };
  const at = path.at("filters").at(0);
  if (second) findings.error(path.at("filters").at(1), "one network filter a chain is supported");
  const inner = first.configType.case === "typedConfig" ? unpackAny(first.configType.value) : undefined;
  if (inner === undefined) findings.error(at, "typed_config is required");
  if (typeof inner !== "object") return { kind: "close" };
  const typed = at.at("typed_config").retype(inner.$typeName);
  if (inner.$typeName === "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy")
    return tcpFilter(inner as TcpProxy, typed, findings);
  if (
    inner.$typeName !== "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
  ) {
    findings.error(typed, `${inner.$typeName} is not a network filter`);
    return { kind: "close" };
  }
  const manager = httpManager(
    inner as HttpConnectionManager,
    {
      inlineName: `inline:${scope.listener}/${name}`,
      forwardProxy: scope.forwardProxy,
      inlineRoutes: scope.inlineRoutes,
    },
    typed,
    findings,
  );
  return { kind: "http", http: manager };
}

function filterChain(
  chain: FilterChain,
  fallbackName: string,
  scope: Scope,
  path: Path,
  findings: Findings,
): FilterChainConfig {
  // Names may repeat or be absent: the position keeps inline tables and secrets apart.
  const key = chain.name === "" ? fallbackName : `${fallbackName}:${chain.name}`;
  const tls = downstreamSocket(
    chain.transportSocket,
    { prefix: `listener/${scope.listener}/${key}`, secrets: scope.secrets },
    path.at("transport_socket"),
    findings,
  );
  return {
    name: chain.name === "" ? fallbackName : chain.name,
    ...chainMatch(chain, path, findings),
    ...(tls ? { tls } : {}),
    filter: networkFilter(chain, key, scope, path, findings),
    ...withOwner(chain.metadata),
  };
}

/** Envoy refuses two chains that match the same, name by name. */
function checkDistinct(chains: readonly FilterChainConfig[], path: Path, findings: Findings): void {
  const seen = new Map<string, number>();
  const list = (names: readonly string[]): readonly string[] => (names.length > 0 ? names : [""]);
  for (const [i, chain] of chains.entries()) {
    for (const name of list(chain.serverNames))
      for (const protocol of list(chain.alpn)) {
        const key = JSON.stringify([chain.destinationPort ?? 0, name, chain.transportProtocol, protocol]);
        const other = seen.get(key);
        if (other !== undefined && other !== i)
          findings.error(path.at(i), `matches the same connections as filter_chains[${other}]`);
        seen.set(key, i);
      }
  }
}

const filterTypes = {
  originalDst: "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
  httpInspector: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
} as const;

/** How it comes by its connections, and what it learns of them before a chain is chosen. */
function intake(
  message: Listener,
): Pick<ListenerConfig, "binds" | "handsOff" | "restoresAddress" | "inspectsHttp"> {
  const filters = message.listenerFilters.flatMap((f) => {
    const inner = f.configType.case === "typedConfig" ? unpackAny(f.configType.value) : undefined;
    return typeof inner === "object" ? [inner.$typeName as string] : [];
  });
  const handsOff = message.useOriginalDst === true;
  return {
    ...(message.bindToPort === false && { binds: false }),
    ...(handsOff && { handsOff }),
    ...((handsOff || filters.includes(filterTypes.originalDst)) && { restoresAddress: true }),
    ...(filters.includes(filterTypes.httpInspector) && { inspectsHttp: true }),
  };
}

/** A listener; mistakes go to `findings`. */
export function compileListener(message: Listener, path: Path, findings: Findings): CompiledListener {
  const address = socketAddress(message.address, path.at("address"), findings, true);
  const name = message.name || hostPort(address.host, address.port);
  const scope: Scope = {
    listener: name,
    forwardProxy: metadataOf(message.metadata, "weft")["forward_proxy"] === true,
    inlineRoutes: [],
    secrets: [],
  };
  const chains = path.at("filter_chains");
  const filterChains = message.filterChains.map((c, i) =>
    filterChain(c, String(i), scope, chains.at(i), findings),
  );
  if (filterChains.length === 0 && !message.defaultFilterChain)
    findings.error(chains, "at least one is required");
  checkDistinct(filterChains, chains, findings);
  const fallback =
    message.defaultFilterChain &&
    filterChain(message.defaultFilterChain, "default", scope, path.at("default_filter_chain"), findings);
  const inline = new Set(scope.inlineRoutes.map((t) => t.name));
  const tables = [...filterChains, ...(fallback ? [fallback] : [])].flatMap((c) =>
    c.filter.kind === "http" && !inline.has(c.filter.http.routeTable) ? [c.filter.http.routeTable] : [],
  );
  return {
    type: "listener",
    name,
    config: {
      name,
      address: address.host,
      port: address.port,
      direction: directions[message.trafficDirection],
      filterChains,
      ...(fallback ? { defaultFilterChain: fallback } : {}),
      ...intake(message),
      detectTimeoutMs: durationMs(message.listenerFiltersTimeout, detectTimeoutMs),
      ...withOwner(message.metadata),
    },
    inlineRoutes: scope.inlineRoutes,
    routeTables: [...new Set(tables)],
    secrets: scope.secrets,
  };
}
