/** RateLimit (weft.dev/v1alpha1) -> limits of services. */
import type { RateLimitRule } from "../model/index.ts";
import { type Draft, reportOf, resolveHost, rootField } from "./draft.ts";
import type { Field } from "./field.ts";
import { maxRateLimitTokens, minRateLimitMs } from "./limits.ts";
import { sayUnreachable } from "./reach.ts";
import { parseRequestMatch } from "./request-match.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";

/** Of several for one service the oldest's rules come first. */
export function processRateLimits(draft: Draft): void {
  for (const object of oldestFirst(objectsOf(draft.snapshot, "RateLimit"))) readRateLimit(draft, object);
}

function readRateLimit(draft: Draft, object: KubeObject): void {
  const report = reportOf(draft, object);
  const spec = rootField(object, report).at("spec").object();
  spec.rest(["host", "limits"]);
  const written = spec.at("host").requiredText();
  const items = spec.at("limits").items();
  if (items.length === 0)
    spec.at("limits").error({ code: "required", message: "at least one limit is required" });
  const rules = items.flatMap((item) => readRule(item) ?? []);
  if (report.invalid || written === undefined) return;
  const host = resolveHost(draft, written, namespaceOf(object));
  const service = draft.services.get(host);
  if (service === undefined || service.namespace !== namespaceOf(object)) {
    spec.at("host").unresolved({
      code: "unknown-host",
      message: `there is no service ${host} in namespace ${namespaceOf(object)}: the limit waits for it`,
      fix: "a limit stands in the namespace of its service",
    });
    return;
  }
  const before = draft.rateLimits.filter((l) => l.host === host).flatMap((l) => l.rules);
  // Rules of limits and of routes are met alike: the first decides.
  const asRoutes = (list: readonly RateLimitRule[]) => list.map((r) => ({ ...r, ...noAction }));
  sayUnreachable(asRoutes(rules), report, asRoutes(before));
  spec.pending("local-rate-limit");
  draft.rateLimits.push({ host, rules, origin: report.origin("spec") });
}

const noAction = {
  action: { kind: "forward", destinations: [] },
  requestHeaders: { set: [], add: [], remove: [] },
  responseHeaders: { set: [], add: [], remove: [] },
} as const;

function readRule(field: Field): RateLimitRule | undefined {
  field.object().rest(["name", "requests", "per", "burst", "match"]);
  const requests = field.at("requests").integer(1, maxRateLimitTokens);
  const perMs = field.at("per").durationMs();
  for (const key of ["requests", "per"])
    if (!field.at(key).present) field.at(key).error({ code: "required", message: "is required" });
  if (perMs !== undefined && perMs < minRateLimitMs)
    field.at("per").error({
      code: "invalid-value",
      message: `must be at least ${minRateLimitMs} ms`,
      fix: "give the requests of a longer time",
    });
  const burst = field.at("burst").integer(1, maxRateLimitTokens);
  if (burst !== undefined && requests !== undefined && burst < requests)
    field.at("burst").error({ code: "invalid-value", message: `must be at least requests (${requests})` });
  const matches = field
    .at("match")
    .items()
    .flatMap((item) => readMatch(item) ?? []);
  if (requests === undefined || perMs === undefined) return undefined;
  const origin = field.report.origin(field.path);
  return { name: field.at("name").text() ?? "", requests, perMs, burst: burst ?? requests, matches, origin };
}

/** A request's own words: who sent it from where is not part of a match here. */
function readMatch(field: Field): RateLimitRule["matches"][number] | undefined {
  for (const key of ["port", "sourceLabels", "sourceNamespace", "gateways", "statPrefix"])
    if (field.at(key).present)
      field.at(key).error({ code: "invalid-value", message: `${key} is no part of a limit's match` });
  return parseRequestMatch(field);
}
