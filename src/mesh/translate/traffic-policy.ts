/** Istio's TrafficPolicy and its parts. */
import type { ConnectionPool, OutlierPolicy, TrafficPolicy } from "../model/index.ts";
import type { Field } from "./field.ts";
import { parseBalancing } from "./load-balancer.ts";
import { parseTls } from "./upstream-tls.ts";

const maxCount = 2 ** 31 - 1;
const parts = ["connectionPool", "loadBalancer", "outlierDetection", "tls"];
const whole = [...parts, "retryBudget"];
const notYet = {
  tunnel: "tunnels through a further proxy are accepted and not in effect yet",
  proxyProtocol: "the PROXY protocol is accepted and not in effect yet",
};

export interface PortedPolicy {
  readonly policy: TrafficPolicy;
  readonly ports: Readonly<Record<number, TrafficPolicy>>;
}

/** A port's settings replace the whole: what they leave out is the mesh's default (Istio's rule). */
export function parseTrafficPolicy(field: Field): PortedPolicy {
  field.object().rest([...whole, "portLevelSettings"], notYet);
  const ports: Record<number, TrafficPolicy> = {};
  for (const item of field.at("portLevelSettings").items()) {
    item.object().rest(["port", ...parts]);
    const port = item.at("port").object().at("number").integer(1, 65535);
    const policy = parseParts(item);
    if (port !== undefined) ports[port] = policy;
    else item.at("port").error({ code: "required", message: "port.number is required" });
  }
  const budget = parseBudget(field.at("retryBudget"));
  return { policy: { ...parseParts(field), ...(budget && { retryBudget: budget }) }, ports };
}

function parseParts(field: Field): TrafficPolicy {
  const pool = parsePool(field.at("connectionPool"));
  const outlier = parseOutlier(field.at("outlierDetection"));
  const { balancing, locality } = parseBalancing(field.at("loadBalancer"));
  const security = parseTls(field.at("tls"));
  return {
    ...(pool && { pool }),
    ...(outlier && { outlier }),
    ...(balancing && { balancing }),
    ...(security && { security }),
    ...(locality && { locality }),
  };
}

/** Envoy's defaults: 20 %, 3. */
function parseBudget(field: Field): TrafficPolicy["retryBudget"] {
  if (!field.object().present) return undefined;
  field.rest(["percent", "minRetryConcurrency"]);
  return {
    percent: field.at("percent").number(0, 100) ?? 20,
    minConcurrency: field.at("minRetryConcurrency").integer(0, maxCount) ?? 3,
    origin: field.report.origin(field.path),
  };
}

/** Leaves out what is undefined. */
function defined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}

/** Connection limits, of a service or before an application. */
export function parsePool(field: Field): ConnectionPool | undefined {
  if (!field.object().present) return undefined;
  field.rest(["tcp", "http"]);
  const tcp = field.at("tcp").object();
  const http = field.at("http").object();
  tcp.rest(["maxConnections", "connectTimeout", "tcpKeepalive", "maxConnectionDuration", "idleTimeout"]);
  http.rest([
    "http1MaxPendingRequests",
    "http2MaxRequests",
    "maxRequestsPerConnection",
    "maxRetries",
    "idleTimeout",
    "h2UpgradePolicy",
    "useClientProtocol",
    "maxConcurrentStreams",
  ]);
  tcp.at("tcpKeepalive").pending("keepalive");
  http.at("useClientProtocol").pending("client-protocol");
  if (http.at("maxConcurrentStreams").present && http.at("useClientProtocol").value !== true)
    http
      .at("maxConcurrentStreams")
      .ignored("acts on HTTP/2 connections, and HTTP/1.1 is spoken to this host");
  const upgrade = http.at("h2UpgradePolicy").oneOf(["DEFAULT", "UPGRADE", "DO_NOT_UPGRADE"]) === "UPGRADE";
  const pool = defined<ConnectionPool>({
    maxConnections: tcp.at("maxConnections").integer(1, maxCount),
    connectTimeoutMs: tcp.at("connectTimeout").durationMs(),
    maxPendingRequests: http.at("http1MaxPendingRequests").integer(0, maxCount),
    maxRequests: http.at("http2MaxRequests").integer(0, maxCount),
    maxRequestsPerConnection: http.at("maxRequestsPerConnection").integer(0, maxCount),
    maxRetries: http.at("maxRetries").integer(0, maxCount),
    idleTimeoutMs: http.at("idleTimeout").durationMs({ zero: true }),
    maxConnectionDurationMs: tcp.at("maxConnectionDuration").durationMs(),
    tcpIdleTimeoutMs: tcp.at("idleTimeout").durationMs({ zero: true }),
    keepalive: parseKeepalive(tcp.at("tcpKeepalive")),
    maxConcurrentStreams: http.at("maxConcurrentStreams").integer(1, maxCount),
    useClientProtocol: http.at("useClientProtocol").bool() === true ? true : undefined,
    upgrade: upgrade ? true : undefined,
    origin: field.report.origin(field.path),
  });
  if (upgrade) sayUpgrade(http.at("h2UpgradePolicy"), pool);
  return pool;
}

function parseKeepalive(field: Field): ConnectionPool["keepalive"] {
  if (!field.object().present) return undefined;
  field.rest(["probes", "time", "interval"]);
  return defined<NonNullable<ConnectionPool["keepalive"]>>({
    probes: field.at("probes").integer(1, 127),
    timeMs: field.at("time").durationMs(),
    intervalMs: field.at("interval").durationMs(),
  });
}

function sayUpgrade(field: Field, pool: ConnectionPool): void {
  const limit = pool.maxRequests;
  const rest =
    limit === undefined
      ? "requests are not limited by it"
      : `http2MaxRequests (${limit}) is the limit that holds, and connections and waiting requests may reach it`;
  field.warn({
    code: "upgrade-http1",
    message: `HTTP/2 between sidecars comes later: HTTP/1.1 is used meanwhile; ${rest}`,
  });
}

function parseOutlier(field: Field): OutlierPolicy | undefined {
  if (!field.object().present) return undefined;
  field.rest([
    "consecutive5xxErrors",
    "consecutiveErrors",
    "consecutiveGatewayErrors",
    "consecutiveLocalOriginFailures",
    "splitExternalLocalOriginErrors",
    "interval",
    "baseEjectionTime",
    "maxEjectionPercent",
    "minHealthPercent",
  ]);
  const old = field.at("consecutiveErrors");
  if (old.present)
    old.warn({
      code: "deprecated",
      message: "is Istio's old name and acts as consecutiveGatewayErrors",
      fix: "use consecutiveGatewayErrors or consecutive5xxErrors",
    });
  const gateway = field.at("consecutiveGatewayErrors").integer(0, maxCount);
  return defined<OutlierPolicy>({
    consecutive5xx: field.at("consecutive5xxErrors").integer(0, maxCount),
    consecutiveGatewayErrors: gateway ?? old.integer(0, maxCount),
    consecutiveLocalOriginFailures: field.at("consecutiveLocalOriginFailures").integer(0, maxCount),
    splitLocalOrigin: field.at("splitExternalLocalOriginErrors").bool() ?? false,
    intervalMs: field.at("interval").durationMs(),
    baseEjectionMs: field.at("baseEjectionTime").durationMs(),
    maxEjectionPercent: field.at("maxEjectionPercent").integer(0, 100),
    minHealthPercent: field.at("minHealthPercent").integer(0, 100),
    origin: field.report.origin(field.path),
  });
}
