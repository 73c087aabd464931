/** Follows a request through compiled tables with the data thread's own matcher. Pure. */
import type { EndpointConfig, RouteConfig, RouteTableConfig, UpstreamTls } from "../config/index.ts";
import {
  type CompiledRoute,
  type CompiledVirtualHost,
  compileHeader,
  compileQuery,
  findRoute,
  type RequestView,
  RouteTable,
} from "../data/routing/index.ts";
import type {
  ClusterStep,
  EndpointStep,
  ExplainRequest,
  ExplainTables,
  Explanation,
  HostStep,
  Outcome,
  SkippedRoute,
} from "./types.ts";
import { headerWords, matchWords, pathWords, queryWords } from "./words.ts";

/** What a request would meet. */
export function explain(tables: ExplainTables, request: ExplainRequest): Explanation {
  const config = tables.routes.get(request.routeTable);
  if (!config) return nothing(request, `there is no route table ${request.routeTable}`);
  const view: RequestView = {
    method: request.method,
    path: request.path,
    authority: request.authority,
    scheme: "http",
    headers: [...request.headers],
  };
  const authority = request.authority.toLowerCase();
  const table = new RouteTable(config);
  const host = table.findHost(authority);
  if (!host) return nothing(request, `no virtual host has the domain ${authority}`);
  const step = hostStep(host, authority);
  const route = findRoute(host, view);
  const before = route ? host.routes.slice(0, host.routes.indexOf(route)) : host.routes;
  const skipped = before.map((r, index) => skip(r, index, view));
  if (!route)
    return {
      routeTable: request.routeTable,
      host: step,
      skipped,
      outcome: {
        kind: "none",
        status: 404,
        flag: "NR",
        reason: `no route of virtual host ${step.name} matches`,
      },
    };
  return {
    routeTable: request.routeTable,
    host: step,
    skipped,
    route: {
      index: host.routes.indexOf(route),
      name: route.config.name,
      match: matchWords(route.config.match),
      ...(route.config.owner ? { owner: route.config.owner } : {}),
    },
    outcome: outcome(route.config, tables, view),
  };
}

function nothing(request: ExplainRequest, reason: string): Explanation {
  return {
    routeTable: request.routeTable,
    skipped: [],
    outcome: { kind: "none", status: 404, flag: "NR", reason },
  };
}

/** Envoy's order among the host's own domains: exact, longest suffix, longest prefix, any. */
function hostStep(host: CompiledVirtualHost, authority: string): HostStep {
  const { name, domains, owner } = host.config;
  const longest = (list: readonly string[]): string | undefined =>
    [...list].sort((a, b) => b.length - a.length)[0];
  const suffix = domains.filter((d) => d.length > 1 && d.startsWith("*") && authority.endsWith(d.slice(1)));
  const prefix = domains.filter(
    (d) => d.length > 1 && d.endsWith("*") && authority.startsWith(d.slice(0, -1)),
  );
  const domain = domains.find((d) => d === authority) ?? longest(suffix) ?? longest(prefix) ?? "*";
  return { name, domain, ...(owner ? { owner } : {}) };
}

/** Whether the route would match by its path alone. */
function pathMatches(route: RouteConfig, view: RequestView): boolean {
  const bare: RouteTableConfig = {
    name: "",
    virtualHosts: [
      { name: "", domains: ["*"], routes: [{ ...route, match: { ...route.match, headers: [], query: [] } }] },
    ],
  };
  return new RouteTable(bare).find(view) !== null;
}

function headerFound(name: string, view: RequestView): string {
  const pseudo: Readonly<Record<string, string>> = {
    ":method": view.method,
    ":path": view.path,
    ":authority": view.authority,
    ":scheme": view.scheme,
  };
  const at = view.headers.findIndex((h, i) => i % 2 === 0 && h === name);
  const value = pseudo[name] ?? (at === -1 ? undefined : view.headers[at + 1]);
  return value === undefined ? "it is absent" : `it is ${JSON.stringify(value)}`;
}

function skip(route: CompiledRoute, index: number, view: RequestView): SkippedRoute {
  const { config } = route;
  const reasons: string[] = [];
  if (!pathMatches(config, view)) reasons.push(`wants ${pathWords(config.match)}; it is ${view.path}`);
  for (const header of config.match.headers)
    if (!compileHeader(header)(view))
      reasons.push(`wants ${headerWords(header)}; ${headerFound(header.name, view)}`);
  for (const query of config.match.query)
    if (!compileQuery(query)(view)) reasons.push(`wants ${queryWords(query)}`);
  return { index, name: config.name, reasons, ...(config.owner ? { owner: config.owner } : {}) };
}

function outcome(route: RouteConfig, tables: ExplainTables, view: RequestView): Outcome {
  const { action } = route;
  if (action.kind === "direct") return { kind: "direct", status: action.status, body: action.bodyText };
  if (action.kind === "redirect") {
    const port = action.port === undefined ? "" : `:${action.port}`;
    const to = `${action.scheme ?? view.scheme}://${action.host ?? view.authority}${port}${action.path ?? view.path}`;
    return { kind: "redirect", code: action.code, to };
  }
  const { retry } = action;
  const { retriableRequestHeaders = [] } = retry ?? {};
  return {
    kind: "route",
    clusters: action.clusters
      .filter((c) => c.weight > 0)
      .map((c) => clusterStep(c.cluster, c.weight / action.totalWeight, tables)),
    timeoutMs: action.timeoutMs,
    ...(retry
      ? {
          retry: {
            retryOn: retry.retryOn,
            numRetries: retry.numRetries,
            perTryTimeoutMs: retry.perTryTimeoutMs,
            ...(retry.budget ? { budget: retry.budget } : {}),
            applies:
              retriableRequestHeaders.length === 0 ||
              retriableRequestHeaders.some((h) => compileHeader(h)(view)),
          },
        }
      : {}),
  };
}

function clusterStep(name: string, share: number, tables: ExplainTables): ClusterStep {
  const config = tables.clusters.get(name);
  if (!config) return { name, share, exists: false, endpoints: [], identities: [] };
  const endpoints = tables.endpoints.get(name)?.endpoints ?? [];
  const used = new Set(endpoints.map((e) => e.transport));
  const transports = config.transports.filter((t, i) => t !== null && (used.has(i) || used.size === 0));
  const sans = transports.flatMap((t) => t?.validation?.sans.map((s) => s.value) ?? []);
  return {
    name,
    share,
    exists: true,
    discovery: config.discovery,
    lb: config.lb,
    endpoints: endpoints.map((e) => endpointStep(e, config.transports[e.transport] ?? null, tables)),
    identities: [...new Set(sans)],
    breaker: config.breaker,
    ...(config.outlier ? { outlier: config.outlier } : {}),
    ...(config.owner ? { owner: config.owner } : {}),
  };
}

function endpointStep(e: EndpointConfig, tls: UpstreamTls | null, tables: ExplainTables): EndpointStep {
  const ejected = tables.ejected?.(e.slot) ?? false;
  return {
    address: e.address,
    workload: e.peer?.workload ?? "",
    version: e.peer?.version ?? "",
    weight: e.weight,
    priority: e.priority,
    state: !e.healthy ? "unhealthy" : ejected ? "ejected" : "takes requests",
    transport: tls === null ? "plaintext" : tls.certSecret === undefined ? "TLS" : "mutual TLS",
  };
}
