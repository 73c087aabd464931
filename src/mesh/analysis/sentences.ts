/** The model in words, by the object that caused it. */

import type {
  ConnectionPool,
  Destination,
  HostRoutes,
  Mesh,
  Origin,
  OutlierPolicy,
  RequestMatch,
  RouteRule,
  TrafficPolicy,
} from "../model/index.ts";
import { policyEffects, ruleEffects } from "./effects.ts";

/** `object`: `VirtualService/default/reviews-route`. Empty: nothing of it acts. */
export function sentencesFor(mesh: Mesh, object: string): readonly string[] {
  const from = (origin: Origin): boolean => origin.object === object;
  return [
    ...mesh.services.filter((s) => from(s.origin)).map((s) => serviceWords(s)),
    ...mesh.routes.filter((r) => from(r.origin)).flatMap((r) => r.rules.map((rule) => ruleWords(r, rule))),
    ...mesh.profiles
      .filter((r) => from(r.origin))
      .flatMap((r) => r.rules.map((rule) => profileWords(r, rule))),
    ...mesh.policies.flatMap((p) => [
      ...policyWords(`calls to ${p.host}`, p.policy, from),
      ...Object.entries(p.ports).flatMap(([port, q]) => policyWords(`calls to ${p.host}:${port}`, q, from)),
      ...p.subsets
        .filter((s) => from(s.origin))
        .flatMap((s) => [
          `subset ${s.name} of ${p.host} is the endpoints labelled ${labels(s.labels)}`,
          ...policyWords(`calls to subset ${s.name} of ${p.host}`, s.policy, from),
        ]),
    ]),
    ...mesh.rateLimits.filter((l) => from(l.origin)).flatMap(rateLimitWords),
    ...mtlsWords(mesh, from),
  ];
}

function rateLimitWords({ host, rules }: Mesh["rateLimits"][number]): readonly string[] {
  return rules.map((r) => {
    const which =
      r.matches.length === 0 ? "requests" : `requests with ${r.matches.map(matchWords).join(", or with ")}`;
    return `each instance of ${host} takes ${r.requests} ${which} in ${r.perMs} ms, ${r.burst} at once`;
  });
}

function labels(map: Readonly<Record<string, string>>): string {
  return (
    Object.entries(map)
      .map(([k, v]) => `${k}: ${v}`)
      .join(", ") || "anyhow"
  );
}

function serviceWords(s: Mesh["services"][number]): string {
  const ports = s.ports.map(
    (p) => `${p.port} (${p.protocol}, ${p.endpoints.filter((e) => e.ready && !e.draining).length} ready)`,
  );
  return `${s.host} is a service with port ${ports.join(", ") || "none"}`;
}

function ruleWords(routes: HostRoutes, rule: RouteRule): string {
  return `${when(rule)} to ${routes.host} ${action(rule)}${limits(rule)}${besides(rule)}`;
}

function besides(rule: RouteRule): string {
  return ruleEffects(rule)
    .map((what) => `; ${what}`)
    .join("");
}

function profileWords(routes: HostRoutes, rule: RouteRule): string {
  const { retries } = rule;
  const budget = retries?.budget;
  const again = retries
    ? `, retried when idempotent${budget ? ` within ${budget.ratio * 100} % of requests and ${budget.minPerSecond} a second` : ""}`
    : "";
  return `${when(rule)} to ${routes.host} are the route "${rule.name}"${limits(rule)}${again}`;
}

function when(rule: RouteRule): string {
  if (rule.matches.length === 0) return "all other requests";
  return `requests with ${rule.matches.map(matchWords).join(", or with ")}`;
}

function matchWords(m: RequestMatch): string {
  const value = (match: RequestMatch["headers"][number]["match"]): string =>
    match.kind === "present" ? "present" : `${match.kind === "exact" ? "" : `${match.kind} `}${match.value}`;
  const parts = [
    ...[...(m.path ? [m.path] : []), ...m.morePaths].map((p) => `path ${value(p)}`),
    ...m.headers.map((h) => `${h.name.replace(/^:/, "")} ${h.invert ? "not " : ""}${value(h.match)}`),
    ...m.query.map((q) => `query ${q.name} ${value(q.match)}`),
    ...(m.port === undefined ? [] : [`port ${m.port}`]),
    ...(m.sourceNamespace === undefined ? [] : [`callers of namespace ${m.sourceNamespace}`]),
    ...(Object.keys(m.sourceLabels).length === 0 ? [] : [`callers labelled ${labels(m.sourceLabels)}`]),
  ];
  return parts.join(" and ") || "anything";
}

function action(rule: RouteRule): string {
  const a = rule.action;
  if (a.kind === "respond") return `are answered ${a.status}`;
  if (a.kind === "redirect") return `are redirected with ${a.code}`;
  const total = a.destinations.reduce((sum, d) => sum + d.weight, 0);
  const share = (d: Destination): string =>
    a.destinations.length === 1 ? "" : `${Math.round((d.weight / total) * 1000) / 10} % `;
  const to = a.destinations.map((d) => `${share(d)}to ${d.host}${d.subset ? ` subset ${d.subset}` : ""}`);
  return `go ${to.join(", ")}`;
}

function limits(rule: RouteRule): string {
  const tries = rule.retries?.perTryTimeoutMs;
  return [
    ...(tries === undefined ? [] : [`, ${tries} ms a try`]),
    ...(rule.timeoutMs === undefined ? [] : [`, ${rule.timeoutMs} ms in all`]),
  ].join("");
}

function policyWords(subject: string, policy: TrafficPolicy, from: (o: Origin) => boolean): string[] {
  const { pool, outlier, balancing, security } = policy;
  const more = [balancing, policy.locality, policy.retryBudget].some((p) => p && from(p.origin));
  return [
    ...(more ? policyEffects(policy).map((what) => `${subject}: ${what}`) : []),
    ...(pool && from(pool.origin) ? [`${subject}: ${poolWords(pool)}`] : []),
    ...(outlier && from(outlier.origin) ? [`${subject}: ${outlierWords(outlier)}`] : []),
    ...(balancing && from(balancing.origin) ? [`${subject} are balanced by ${balancing.kind}`] : []),
    ...(security && from(security.origin) ? [`${subject} go ${transports[security.kind]}`] : []),
  ];
}

const transports = {
  plain: "in plaintext",
  mesh: "by mutual TLS only",
  simple: "by TLS, the server's certificate verified",
  mutual: "by mutual TLS with certificates of the user's",
} as const;

function poolWords(pool: ConnectionPool): string {
  const some = (n: number | undefined, what: string): string[] => (n === undefined ? [] : [`${n} ${what}`]);
  const at = [
    ...(pool.upgrade === true ? [] : some(pool.maxConnections, "connections")),
    ...(pool.upgrade === true ? [] : some(pool.maxPendingRequests, "waiting requests")),
    ...some(pool.maxRequests, "requests at a time"),
    ...some(pool.maxRetries, "retries at a time"),
    ...some(pool.maxRequestsPerConnection, "requests a connection"),
    ...some(pool.connectTimeoutMs, "ms to connect"),
    ...some(pool.idleTimeoutMs, "ms idle"),
  ];
  return `at most ${at.join(", ") || "Envoy's defaults"}`;
}

function outlierWords(o: OutlierPolicy): string {
  const after = o.consecutive5xx === 0 ? "gateway errors" : `${o.consecutive5xx ?? 5} consecutive 5xx`;
  return (
    `an endpoint is ejected after ${after} for ${(o.baseEjectionMs ?? 30_000) / 1000} s or more, ` +
    `swept every ${(o.intervalMs ?? 10_000) / 1000} s, at most ${o.maxEjectionPercent ?? 10} % of the endpoints`
  );
}

const accepts = {
  strict: "accept only mutual TLS of the mesh",
  permissive: "accept mutual TLS and plaintext",
  disable: "accept only plaintext",
} as const;

function mtlsWords(mesh: Mesh, from: (o: Origin) => boolean): string[] {
  const by = { strict: new Set<string>(), permissive: new Set<string>(), disable: new Set<string>() };
  for (const { key, authentication } of mesh.workloads) {
    const { all, ports } = authentication;
    if (from(all.origin)) by[all.mode].add(key);
    for (const [port, rule] of Object.entries(ports))
      if (from(rule.origin)) by[rule.mode].add(`${key} port ${port}`);
  }
  return (["strict", "permissive", "disable"] as const)
    .filter((mode) => by[mode].size > 0)
    .map((mode) => `${[...by[mode]].join(", ")} ${accepts[mode]}`);
}
