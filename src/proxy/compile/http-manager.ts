/** HttpConnectionManager -> HttpManagerConfig. */
import { isIP } from "node:net";
import type { HttpConnectionManager } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { HttpConnectionManager_ServerHeaderTransformation as ServerHeader } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HttpManagerConfig, RouteTableConfig } from "../config/index.ts";
import { accessLogs } from "./access-log.ts";
import { unpackAny } from "./any.ts";
import type { Findings, Path } from "./path.ts";
import { compileRouteTable } from "./route.ts";
import { durationMs } from "./values.ts";

/** Envoy's default is none; HARDENING.md section 2 turns it on. */
const requestHeadersTimeoutMs = 10_000;
/** Envoy's defaults. */
const streamIdleTimeoutMs = 300_000;
const idleTimeoutMs = 3_600_000;
const drainTimeoutMs = 5_000;
const maxRequestHeadersKb = 60;
const maxHeadersCount = 100;
/** max_request_headers_kb's highest value. */
const maxRequestHeadersKbLimit = 8192;

const router = "envoy.extensions.filters.http.router.v3.Router";
const forward = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig";

const serverHeaders: Readonly<Record<ServerHeader, HttpManagerConfig["serverHeader"]>> = {
  [ServerHeader.OVERWRITE]: "overwrite",
  [ServerHeader.APPEND_IF_ABSENT]: "append-if-absent",
  [ServerHeader.PASS_THROUGH]: "pass-through",
};

/** Names the table of an inline route_config, and says whether the listener is Weft's forward proxy. */
export interface ManagerScope {
  readonly inlineName: string;
  readonly forwardProxy: boolean;
  readonly inlineRoutes: RouteTableConfig[];
}

function filtersOf(manager: HttpConnectionManager, path: Path, findings: Findings): { dynamic: boolean } {
  const at = path.at("http_filters");
  const types = manager.httpFilters.map((f, i) => {
    const inner = f.configType.case === "typedConfig" ? unpackAny(f.configType.value) : undefined;
    if (inner === undefined) findings.error(at.at(i), "typed_config is required");
    return typeof inner === "object" ? inner.$typeName : "";
  });
  for (const [i, type] of types.entries()) {
    const last = i === types.length - 1;
    if (type !== "" && type !== router && type !== forward)
      findings.error(at.at(i), `${type} is not an HTTP filter`);
    if (type === router && !last) findings.error(at.at(i), "the router filter must be the last one");
  }
  if (types.at(-1) !== router && types.at(-1) !== "")
    findings.error(at, "the last filter must be the router");
  return { dynamic: types.includes(forward) };
}

function routeTable(
  manager: HttpConnectionManager,
  scope: ManagerScope,
  path: Path,
  findings: Findings,
): string {
  const how = manager.routeSpecifier;
  if (how.case === "routeConfig") {
    scope.inlineRoutes.push(
      compileRouteTable(how.value, scope.inlineName, path.at("route_config"), findings),
    );
    return scope.inlineName;
  }
  if (how.case === "rds") {
    if (how.value.routeConfigName === "")
      findings.error(path.at("rds").at("route_config_name"), "is required");
    return how.value.routeConfigName;
  }
  findings.error(path, "route_config or rds is required");
  return "";
}

function checkUpgrades(manager: HttpConnectionManager, path: Path, findings: Findings): void {
  for (const [i, upgrade] of manager.upgradeConfigs.entries())
    if (upgrade.upgradeType.toUpperCase() !== "CONNECT" && upgrade.enabled !== false)
      findings.error(path.at("upgrade_configs").at(i).at("upgrade_type"), "only CONNECT is supported");
}

function headerBytes(manager: HttpConnectionManager, path: Path, findings: Findings): number {
  const kb = manager.maxRequestHeadersKb ?? maxRequestHeadersKb;
  if (kb < 1 || kb > maxRequestHeadersKbLimit)
    findings.error(path.at("max_request_headers_kb"), `must be 1 to ${maxRequestHeadersKbLimit}`);
  return kb * 1024;
}

function internalAddresses(
  manager: HttpConnectionManager,
  path: Path,
  findings: Findings,
): HttpManagerConfig["internalAddresses"] {
  const at = path.at("internal_address_config").at("cidr_ranges");
  return (manager.internalAddressConfig?.cidrRanges ?? []).map(({ addressPrefix, prefixLen }, i) => {
    const version = isIP(addressPrefix);
    if (version === 0) findings.error(at.at(i).at("address_prefix"), "is not an IP address");
    const most = version === 6 ? 128 : 32;
    const prefixLength = prefixLen ?? 0;
    if (prefixLength > most) findings.error(at.at(i).at("prefix_len"), `must be 0 to ${most}`);
    return { address: addressPrefix, prefixLength };
  });
}

const codecs: readonly HttpManagerConfig["codec"][] = ["auto", "http1", "http2"];

/** Bounds of http2_protocol_options' fields, as Envoy validates them. */
const http2Bounds = {
  max_concurrent_streams: { field: "maxConcurrentStreams", to: "maxConcurrentStreams", least: 1 },
  initial_stream_window_size: { field: "initialStreamWindowSize", to: "streamWindowBytes", least: 65_535 },
  initial_connection_window_size: {
    field: "initialConnectionWindowSize",
    to: "connectionWindowBytes",
    least: 65_535,
  },
  hpack_table_size: { field: "hpackTableSize", to: "headerTableBytes", least: 0 },
} as const;

function codecOf(
  manager: HttpConnectionManager,
  path: Path,
  findings: Findings,
): Pick<HttpManagerConfig, "codec" | "http2"> {
  const options = manager.http2ProtocolOptions;
  const http2: Record<string, number> = {};
  for (const [name, { field, to, least }] of Object.entries(http2Bounds)) {
    const value = options?.[field];
    if (value === undefined) continue;
    if (value < least || value > 2 ** 31 - 1)
      findings.error(path.at("http2_protocol_options").at(name), `must be ${least} to ${2 ** 31 - 1}`);
    http2[to] = value;
  }
  return { codec: codecs[manager.codecType] ?? "auto", ...(options ? { http2 } : {}) };
}

export function httpManager(
  manager: HttpConnectionManager,
  scope: ManagerScope,
  path: Path,
  findings: Findings,
): HttpManagerConfig {
  checkUpgrades(manager, path, findings);
  const common = manager.commonHttpProtocolOptions;
  if (common?.maxConnectionDuration)
    findings.error(
      path.at("common_http_protocol_options").at("max_connection_duration"),
      "is supported for upstream connections only",
    );
  return {
    statPrefix: manager.statPrefix,
    routeTable: routeTable(manager, scope, path, findings),
    forwardProxy: scope.forwardProxy,
    requestHeadersTimeoutMs: durationMs(manager.requestHeadersTimeout, requestHeadersTimeoutMs),
    requestTimeoutMs: durationMs(manager.requestTimeout, 0),
    streamIdleTimeoutMs: durationMs(manager.streamIdleTimeout, streamIdleTimeoutMs),
    idleTimeoutMs: durationMs(common?.idleTimeout, idleTimeoutMs),
    drainTimeoutMs: durationMs(manager.drainTimeout, drainTimeoutMs),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    maxHeaderBytes: headerBytes(manager, path, findings),
    maxHeaderCount: common?.maxHeadersCount ?? maxHeadersCount,
    serverName: manager.serverName || "envoy",
    serverHeader: serverHeaders[manager.serverHeaderTransformation],
    // Unset is off in Envoy, whose edge guide turns it on; routes and policies must see one spelling of a path.
    normalizePath: manager.normalizePath ?? true,
    mergeSlashes: manager.mergeSlashes,
    useRemoteAddress: manager.useRemoteAddress ?? false,
    xffNumTrustedHops: manager.xffNumTrustedHops,
    internalAddresses: internalAddresses(manager, path, findings),
    generateRequestId: manager.generateRequestId ?? true,
    accessLogs: accessLogs(manager.accessLog, path.at("access_log"), findings),
    dynamicForwardProxy: filtersOf(manager, path, findings).dynamic,
    ...codecOf(manager, path, findings),
    // urllib and requests send CONNECT as HTTP/1.0, so a forward proxy takes it.
    httpVersion10Accepted: (manager.httpProtocolOptions?.acceptHttp10 ?? false) || scope.forwardProxy,
  };
}
