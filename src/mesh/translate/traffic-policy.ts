/** Istio's TrafficPolicy and its parts. */
import type {
  ConnectionPool,
  LoadBalancing,
  OutlierPolicy,
  TrafficPolicy,
  UpstreamSecurity,
} from "../model/index.ts";
import type { Field } from "./field.ts";

const maxCount = 2 ** 31 - 1;
const parts = ["connectionPool", "loadBalancer", "outlierDetection", "tls"];

export interface PortedPolicy {
  readonly policy: TrafficPolicy;
  readonly ports: Readonly<Record<number, TrafficPolicy>>;
}

/** A port's settings replace the whole: what they leave out is the mesh's default (Istio's rule). */
export function parseTrafficPolicy(field: Field): PortedPolicy {
  field.object().rest([...parts, "portLevelSettings"]);
  const ports: Record<number, TrafficPolicy> = {};
  for (const item of field.at("portLevelSettings").items()) {
    item.object().rest(["port", ...parts]);
    const port = item.at("port").object().at("number").integer(1, 65535);
    const policy = parseParts(item);
    if (port !== undefined) ports[port] = policy;
    else item.at("port").error({ code: "required", message: "port.number is required" });
  }
  return { policy: parseParts(field), ports };
}

function parseParts(field: Field): TrafficPolicy {
  const pool = parsePool(field.at("connectionPool"));
  const outlier = parseOutlier(field.at("outlierDetection"));
  const balancing = parseBalancing(field.at("loadBalancer"));
  const security = parseTls(field.at("tls"));
  return {
    ...(pool && { pool }),
    ...(outlier && { outlier }),
    ...(balancing && { balancing }),
    ...(security && { security }),
  };
}

/** Leaves out what is undefined. */
function defined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}

function parsePool(field: Field): ConnectionPool | undefined {
  if (!field.object().present) return undefined;
  field.rest(["tcp", "http"]);
  const tcp = field.at("tcp").object();
  const http = field.at("http").object();
  tcp.rest(["maxConnections", "connectTimeout"]);
  http.rest([
    "http1MaxPendingRequests",
    "http2MaxRequests",
    "maxRequestsPerConnection",
    "maxRetries",
    "idleTimeout",
    "h2UpgradePolicy",
  ]);
  const upgrade = http.at("h2UpgradePolicy").oneOf(["DEFAULT", "UPGRADE", "DO_NOT_UPGRADE"]) === "UPGRADE";
  const pool = defined<ConnectionPool>({
    maxConnections: tcp.at("maxConnections").integer(1, maxCount),
    connectTimeoutMs: tcp.at("connectTimeout").durationMs(),
    maxPendingRequests: http.at("http1MaxPendingRequests").integer(0, maxCount),
    maxRequests: http.at("http2MaxRequests").integer(0, maxCount),
    maxRequestsPerConnection: http.at("maxRequestsPerConnection").integer(0, maxCount),
    maxRetries: http.at("maxRetries").integer(0, maxCount),
    idleTimeoutMs: http.at("idleTimeout").durationMs({ zero: true }),
    upgrade: upgrade ? true : undefined,
    origin: field.report.origin(field.path),
  });
  if (upgrade) sayUpgrade(http.at("h2UpgradePolicy"), pool);
  return pool;
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

const simple = {
  UNSPECIFIED: "least-request",
  LEAST_REQUEST: "least-request",
  LEAST_CONN: "least-request",
  ROUND_ROBIN: "round-robin",
  RANDOM: "random",
  PASSTHROUGH: "least-request",
} as const;

function parseBalancing(field: Field): LoadBalancing | undefined {
  if (!field.object().present) return undefined;
  field.rest(["simple"]);
  const word = field.at("simple").oneOf(Object.keys(simple) as (keyof typeof simple)[]);
  if (field.at("simple").present && field.at("consistentHash").present)
    field.error({ code: "one-of", message: "simple and consistentHash exclude each other" });
  if (word === "PASSTHROUGH")
    field.at("simple").ignored("PASSTHROUGH is not in effect yet: LEAST_REQUEST is used");
  if (word === undefined) return undefined;
  return { kind: simple[word], origin: field.report.origin(`${field.path}.simple`) };
}

function parseTls(field: Field): UpstreamSecurity | undefined {
  if (!field.object().present) return undefined;
  field.rest(["mode", "sni", "subjectAltNames"]);
  const mode = field.at("mode").oneOf(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]);
  const sni = field.at("sni").text();
  const subjectAltNames = field.at("subjectAltNames").texts();
  if (sni !== undefined && !/^[A-Za-z0-9_.-]{1,253}$/.test(sni)) field.at("sni").expected("a host name");
  const origin = field.report.origin(field.path);
  if (mode === "DISABLE") return { kind: "plain", subjectAltNames: [], origin };
  if (mode === "ISTIO_MUTUAL") return { kind: "mesh", subjectAltNames, ...(sni && { sni }), origin };
  if (mode !== undefined)
    field.at("mode").ignored(`${mode} is accepted and not in effect yet: the mesh's own transport is used`);
  return undefined;
}
