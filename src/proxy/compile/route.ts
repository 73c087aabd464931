/** RouteConfiguration -> RouteTableConfig. */

import {
  RedirectAction_RedirectResponseCode as Code,
  type DirectResponseAction,
  type RedirectAction,
  type RetryPolicy as RetryMessage,
  type Route,
  type RouteAction,
  type RouteMatch,
  type VirtualHost,
  type WeightedCluster_ClusterWeight,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfiguration } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import type { RegexMatchAndSubstitute } from "../../proto/gen/envoy/type/matcher/v3/regex_pb.js";
import { groupsOf, strayReferences } from "../../wire/re2/index.ts";
import type {
  RouteMatch as CompiledMatch,
  HeaderOps,
  RouteConfig,
  RouteTableConfig,
  VirtualHostConfig,
  WeightedCluster,
} from "../config/index.ts";
import { headerOps, mergeOps } from "./header-ops.ts";
import { maxDirectResponseBytes } from "./limits.ts";
import { headerMatch, queryMatch, regexText } from "./match.ts";
import type { Findings, Path } from "./path.ts";
import { retryPolicy } from "./retry.ts";
import { durationMs, metadataOf, withOwner } from "./values.ts";

/** RouteAction.timeout where it is not set. */
const routeTimeoutMs = 15_000;

/** RFC 9110: no limit below; Envoy's weights are summed in 32 bits. */
const maxTotalWeight = 0xffff_ffff;

interface Level {
  readonly request: HeaderOps;
  readonly response: HeaderOps;
}

interface Enclosing {
  readonly levels: readonly Level[];
  readonly mostSpecificWins: boolean;
  readonly maxBody: number;
  readonly retry?: RetryMessage;
}

type HasOps = Pick<
  Route,
  "requestHeadersToAdd" | "requestHeadersToRemove" | "responseHeadersToAdd" | "responseHeadersToRemove"
>;

function levelOf(message: HasOps, path: Path, findings: Findings): Level {
  return {
    request: headerOps(
      { add: message.requestHeadersToAdd, remove: message.requestHeadersToRemove },
      "request",
      path,
      findings,
    ),
    response: headerOps(
      { add: message.responseHeadersToAdd, remove: message.responseHeadersToRemove },
      "response",
      path,
      findings,
    ),
  };
}

function pathMatch(match: RouteMatch, path: Path, findings: Findings): CompiledMatch["path"] {
  const how = match.pathSpecifier;
  switch (how.case) {
    case "prefix":
      return { kind: "prefix", value: how.value };
    case "path":
      return { kind: "exact", value: how.value };
    case "safeRegex":
      return { kind: "regex", value: regexText(how.value, path.at("safe_regex"), findings) };
    case "pathSeparatedPrefix":
      if (!/^\/[^?#]*[^?#/]$/.test(how.value))
        findings.error(path.at("path_separated_prefix"), "must begin with / and not end with it");
      return { kind: "pathSeparatedPrefix", value: how.value };
    case "connectMatcher":
      return { kind: "connect" };
    default:
      findings.error(path, "prefix, path, safe_regex, path_separated_prefix or connect_matcher is required");
      return { kind: "prefix", value: "/" };
  }
}

function routeMatch(match: RouteMatch | undefined, path: Path, findings: Findings): CompiledMatch {
  if (!match) {
    findings.error(path, "is required");
    return { path: { kind: "prefix", value: "/" }, headers: [], query: [] };
  }
  const headers = path.at("headers");
  const query = path.at("query_parameters");
  return {
    path: pathMatch(match, path, findings),
    ...(match.caseSensitive === false ? { ignoreCase: true } : {}),
    headers: match.headers.map((h, i) => headerMatch(h, headers.at(i), findings)),
    query: match.queryParameters.map((q, i) => queryMatch(q, query.at(i), findings)),
  };
}

/** What one destination changes beside the route. */
function ownOf(
  cluster: WeightedCluster_ClusterWeight,
  path: Path,
  findings: Findings,
): Omit<WeightedCluster, "cluster" | "weight"> {
  const { request, response } = levelOf(cluster, path, findings);
  const any = (ops: HeaderOps): boolean => ops.add.length + ops.remove.length > 0;
  const host = cluster.hostRewriteSpecifier;
  return {
    ...(any(request) && { requestHeaders: request }),
    ...(any(response) && { responseHeaders: response }),
    ...(host.case === "hostRewriteLiteral" && { hostRewrite: host.value }),
  };
}

function clustersOf(action: RouteAction, path: Path, findings: Findings): WeightedCluster[] {
  const how = action.clusterSpecifier;
  if (how.case === "cluster") {
    if (how.value === "") findings.error(path.at("cluster"), "must not be empty");
    return [{ cluster: how.value, weight: 1 }];
  }
  if (how.case !== "weightedClusters") {
    findings.error(path, "cluster or weighted_clusters is required");
    return [];
  }
  const at = path.at("weighted_clusters");
  const list = how.value.clusters.map((c, i) => {
    if (c.name === "") findings.error(at.at("clusters").at(i).at("name"), "must not be empty");
    return { cluster: c.name, weight: c.weight ?? 0, ...ownOf(c, at.at("clusters").at(i), findings) };
  });
  const sum = list.reduce((n, c) => n + c.weight, 0);
  if (sum === 0) findings.error(at, "the sum of the weights must be above 0");
  if (sum > maxTotalWeight) findings.error(at, `the sum of the weights is above ${maxTotalWeight}`);
  const total = how.value.totalWeight;
  if (total !== undefined && total !== sum)
    findings.error(at.at("total_weight"), `is ${total}, but the weights sum to ${sum}`);
  return list;
}

/** Envoy refuses what RE2 could not replace by: a group that is not there, a \ before anything else. */
function regexRewrite(
  message: RegexMatchAndSubstitute,
  path: Path,
  findings: Findings,
): { readonly pattern: string; readonly substitution: string } {
  const { pattern: matcher, substitution } = message;
  const at = path.at("substitution");
  if (matcher === undefined) findings.error(path.at("pattern"), "is required");
  const pattern = matcher ? regexText(matcher, path.at("pattern"), findings) : "";
  const groups = groupsOf(pattern);
  for (const reference of strayReferences(substitution, groups)) {
    const isGroup = /\d/.test(reference);
    findings.error(
      at,
      isGroup
        ? `${reference}: the pattern has ${groups} groups`
        : `${reference} is neither \\0 to \\9 nor \\\\`,
    );
  }
  return { pattern, substitution };
}

function routeAction(
  action: RouteAction,
  route: Route,
  enclosing: Enclosing,
  path: Path,
  findings: Findings,
): RouteConfig["action"] {
  const clusters = clustersOf(action, path, findings);
  for (const [i, upgrade] of action.upgradeConfigs.entries())
    if (upgrade.upgradeType.toUpperCase() !== "CONNECT")
      findings.error(path.at("upgrade_configs").at(i).at("upgrade_type"), "only CONNECT is supported");
  const policy = action.retryPolicy ?? enclosing.retry;
  const weft = metadataOf(route.metadata, "weft");
  const retry = policy && retryPolicy(policy, weft, path.at("retry_policy"), findings);
  const host = action.hostRewriteSpecifier;
  const rewrite = action.regexRewrite;
  if (rewrite && action.prefixRewrite !== "")
    findings.error(path.at("regex_rewrite"), "prefix_rewrite is given too; only one can be");
  return {
    kind: "route",
    clusters,
    totalWeight: clusters.reduce((n, c) => n + c.weight, 0),
    timeoutMs: durationMs(action.timeout, routeTimeoutMs),
    ...(action.idleTimeout ? { idleTimeoutMs: durationMs(action.idleTimeout, 0) } : {}),
    ...(retry ? { retry } : {}),
    ...(action.prefixRewrite !== "" ? { prefixRewrite: action.prefixRewrite } : {}),
    ...(rewrite ? { regexRewrite: regexRewrite(rewrite, path.at("regex_rewrite"), findings) } : {}),
    ...(host.case === "hostRewriteLiteral" ? { hostRewrite: host.value } : {}),
  };
}

const redirectCodes: Readonly<Record<Code, number>> = {
  [Code.MOVED_PERMANENTLY]: 301,
  [Code.FOUND]: 302,
  [Code.SEE_OTHER]: 303,
  [Code.TEMPORARY_REDIRECT]: 307,
  [Code.PERMANENT_REDIRECT]: 308,
};

function redirect(action: RedirectAction): RouteConfig["action"] {
  const scheme = action.schemeRewriteSpecifier;
  const secure = scheme.case === "httpsRedirect" && scheme.value ? "https" : undefined;
  const to = scheme.case === "schemeRedirect" ? scheme.value : secure;
  const path = action.pathRewriteSpecifier;
  return {
    kind: "redirect",
    code: redirectCodes[action.responseCode],
    ...(action.hostRedirect !== "" ? { host: action.hostRedirect } : {}),
    ...(path.case === "pathRedirect" ? { path: path.value } : {}),
    ...(to !== undefined ? { scheme: to } : {}),
    ...(action.portRedirect !== 0 ? { port: action.portRedirect } : {}),
  };
}

function direct(
  action: DirectResponseAction,
  maxBody: number,
  path: Path,
  findings: Findings,
): RouteConfig["action"] {
  if (action.status < 200 || action.status > 599)
    findings.error(path.at("status"), `${action.status} is not a status of an answer: 200 to 599`);
  const body = action.body?.specifier;
  if (body?.case === "filename" || body?.case === "environmentVariable")
    findings.error(path.at("body"), "only inline_string and inline_bytes are supported");
  const text =
    body?.case === "inlineString"
      ? body.value
      : body?.case === "inlineBytes"
        ? new TextDecoder().decode(body.value)
        : "";
  if (Buffer.byteLength(text) > maxBody) findings.error(path.at("body"), `is above ${maxBody} bytes`);
  return { kind: "direct", status: action.status, bodyText: text };
}

function actionOf(route: Route, enclosing: Enclosing, path: Path, findings: Findings): RouteConfig["action"] {
  switch (route.action.case) {
    case "route":
      return routeAction(route.action.value, route, enclosing, path.at("route"), findings);
    case "redirect":
      return redirect(route.action.value);
    case "directResponse":
      return direct(route.action.value, enclosing.maxBody, path.at("direct_response"), findings);
    default:
      findings.error(path, "route, redirect or direct_response is required");
      return { kind: "direct", status: 500, bodyText: "" };
  }
}

function routeOf(route: Route, enclosing: Enclosing, path: Path, findings: Findings): RouteConfig {
  const levels = [levelOf(route, path, findings), ...enclosing.levels];
  if (enclosing.mostSpecificWins) levels.reverse();
  const request = mergeOps(levels.map((l) => l.request));
  const response = mergeOps(levels.map((l) => l.response));
  return {
    name: route.name,
    match: routeMatch(route.match, path.at("match"), findings),
    action: actionOf(route, enclosing, path, findings),
    requestHeadersAdd: request.add,
    requestHeadersRemove: request.remove,
    responseHeadersAdd: response.add,
    responseHeadersRemove: response.remove,
    ...withOwner(route.metadata),
  };
}

function domainProblem(domain: string): string | undefined {
  if (domain === "") return "must not be empty";
  const stars = domain.split("*").length - 1;
  if (stars === 0 || domain === "*") return undefined;
  if (stars === 1 && (domain.startsWith("*") || domain.endsWith("*"))) return undefined;
  return "a * is allowed at the beginning or at the end";
}

function virtualHost(
  host: VirtualHost,
  enclosing: Enclosing,
  seen: Map<string, string>,
  path: Path,
  findings: Findings,
): VirtualHostConfig {
  if (host.domains.length === 0) findings.error(path.at("domains"), "at least one is required");
  const domains = host.domains.map((d, i) => {
    const at = path.at("domains").at(i);
    const wrong = domainProblem(d);
    if (wrong !== undefined) findings.error(at, wrong);
    const lower = d.toLowerCase();
    const other = seen.get(lower);
    if (other !== undefined) findings.error(at, `${d} is a domain of virtual host ${other} already`);
    seen.set(lower, host.name);
    return lower;
  });
  const inner: Enclosing = {
    ...enclosing,
    levels: [levelOf(host, path, findings), ...enclosing.levels],
    ...(host.retryPolicy ? { retry: host.retryPolicy } : {}),
  };
  const routes = path.at("routes");
  return {
    name: host.name,
    domains,
    routes: host.routes.map((r, i) => routeOf(r, inner, routes.at(i), findings)),
    ...(host.includeRequestAttemptCount ? { requestAttemptCount: true } : {}),
    ...(host.includeAttemptCountInResponse ? { responseAttemptCount: true } : {}),
    ...withOwner(host.metadata),
  };
}

/** A route table under `name`; mistakes go to `findings`. */
export function compileRouteTable(
  message: RouteConfiguration,
  name: string,
  path: Path,
  findings: Findings,
): RouteTableConfig {
  const enclosing: Enclosing = {
    levels: [levelOf(message, path, findings)],
    mostSpecificWins: message.mostSpecificHeaderMutationsWins,
    maxBody: message.maxDirectResponseBodySizeBytes ?? maxDirectResponseBytes,
  };
  const seen = new Map<string, string>();
  const hosts = path.at("virtual_hosts");
  return {
    name,
    virtualHosts: message.virtualHosts.map((v, i) => virtualHost(v, enclosing, seen, hosts.at(i), findings)),
  };
}
