/** Routing: from a prepared request to what the router shall do, or to a local answer. */
import { parseAuthority, setHeader } from "../../wire/http/index.ts";
import { type RequestHead, requestFraming } from "../../wire/http1/index.ts";
import type { RouteConfig } from "../config/index.ts";
import type { Host } from "./cluster.ts";
import { type LocalReply, loopDetected, noCluster, noRoute, noVirtualHost } from "./local-reply.ts";
import type { Manager } from "./manager.ts";
import { mutateHeaders } from "./mutation.ts";
import { takeOverrides } from "./overrides.ts";
import { chooseWeighted } from "./plane.ts";
import { RetryState } from "./retry.ts";
import { type CompiledRoute, findRoute } from "./route-table.ts";
import type { RoutedRequest } from "./router.ts";
import type { StreamInfo } from "./stream-info.ts";

/** What the router shall do, or the local answer (which has a status). */
export type Plan = RoutedRequest | LocalReply;

export function planRequest(manager: Manager, info: StreamInfo, head: RequestHead): Plan {
  const table = manager.plane.routeTable(manager.config.routeTable);
  const host = table?.findHost(info.authority.toLowerCase());
  if (!host) return noVirtualHost;
  const route = findRoute(host, info);
  if (!route) {
    info.owner = host.config.owner ?? null;
    return noRoute;
  }
  info.route = route;
  info.owner = route.config.owner ?? host.config.owner ?? null;
  const { action } = route.config;
  if (action.kind === "direct") return directReply(route.config, action);
  if (action.kind === "redirect") return redirectReply(info, action);
  return planRoute(manager, info, head, route, action);
}

type Forward = Extract<RouteConfig["action"], { kind: "route" }>;

function planRoute(
  manager: Manager,
  info: StreamInfo,
  head: RequestHead,
  route: CompiledRoute,
  action: Forward,
): Plan {
  const { plane } = manager;
  const chosen = chooseWeighted(action.clusters, action.totalWeight, plane.rng.float());
  info.clusterName = chosen?.cluster ?? "";
  info.destination = chosen;
  const cluster = chosen ? plane.cluster(chosen.cluster) : undefined;
  if (chosen?.owner) info.owner = chosen.owner;
  if (!cluster) return noCluster;
  info.cluster = cluster;
  let fixedHost: Host | null = null;
  if (cluster.config.discovery === "dynamic") {
    fixedHost = plane.dynamicHost(cluster, info.authority, info.scheme === "https" ? 443 : 80);
    if (fixedHost === null) return loopDetected;
  } else if (cluster.config.discovery === "original") {
    const { localAddress, localPort } = info.connection;
    fixedHost = plane.originalHost(cluster, localAddress, localPort);
    if (fixedHost === null) return loopDetected;
  }
  rewrite(info, route, chosen?.hostRewrite ?? action.hostRewrite);
  const asked = info.overrides ? takeOverrides(info, route.retry) : null;
  const policy = asked ? asked.retry : route.retry;
  const retry = policy?.allows(info) ? policy : null;
  const budget = retry?.policy.budget ? plane.budget(retry.policy.budget) : null;
  const timeoutMs = asked?.timeoutMs ?? action.timeoutMs;
  const perTryTimeoutMs = asked?.perTryTimeoutMs ?? action.retry?.perTryTimeoutMs ?? 0;
  const expected = expectedTimeout(timeoutMs, perTryTimeoutMs);
  if (expected > 0) setHeader(info.headers, "x-envoy-expected-rq-timeout-ms", `${expected}`);
  const own = chosen?.requestHeaders;
  if (own) mutateHeaders(info.headers, own.remove, own.add);
  mutateHeaders(info.headers, route.config.requestHeadersRemove, route.config.requestHeadersAdd);
  return {
    cluster,
    fixedHost,
    framing: requestFraming(info.method, head.contentLength, head.chunked),
    timeoutMs,
    perTryTimeoutMs: timeoutMs > 0 && perTryTimeoutMs >= timeoutMs ? 0 : perTryTimeoutMs,
    retry: retry ? new RetryState(retry, cluster, budget) : null,
    attemptCount: route.virtualHost.config.requestAttemptCount === true,
    peerMetadata: plane.peerMetadata,
  };
}

/** The shorter of the limits that are set. */
function expectedTimeout(timeoutMs: number, perTryMs: number): number {
  if (perTryMs === 0) return timeoutMs;
  return timeoutMs === 0 ? perTryMs : Math.min(timeoutMs, perTryMs);
}

function rewrite(info: StreamInfo, route: CompiledRoute, host: string | undefined): void {
  if (host !== undefined) setHeader(info.headers, "host", host);
  if (route.rewritePath === null) return;
  setHeader(info.headers, "x-envoy-original-path", info.path);
  info.path = route.rewritePath(info.path);
}

function directReply(
  config: RouteConfig,
  action: { readonly status: number; readonly bodyText: string },
): LocalReply {
  return {
    status: action.status,
    body: Buffer.from(action.bodyText, "utf8").toString("latin1"),
    flags: 0,
    details: "direct_response",
    headers: config.responseHeadersAdd.flatMap((h) => [h.name.toLowerCase(), h.value]),
  };
}

function redirectReply(
  info: StreamInfo,
  action: Extract<RouteConfig["action"], { kind: "redirect" }>,
): LocalReply {
  const scheme = action.scheme ?? info.scheme;
  const port = parseAuthority(info.authority)?.port ?? -1;
  const host = port === -1 ? info.authority : info.authority.slice(0, info.authority.lastIndexOf(":"));
  const keptPort = action.port ?? (action.scheme === undefined && port !== -1 ? port : undefined);
  const standard = keptPort === undefined || keptPort === (scheme === "https" ? 443 : 80);
  const authority = `${action.host ?? host}${standard ? "" : `:${keptPort}`}`;
  return {
    status: action.code,
    body: "",
    flags: 0,
    details: "direct_response",
    headers: ["location", `${scheme}://${authority}${action.path ?? info.path}`],
  };
}
