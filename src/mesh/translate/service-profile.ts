/** Linkerd's ServiceProfile -> rules that refine a host's routes. */
import type { HostRoutes, RetryBudget, RetryPolicy, RouteRule } from "../model/index.ts";
import { noHeaderChanges, refName } from "../model/index.ts";
import { type Draft, reportOf, rootField } from "./draft.ts";
import type { Field } from "./field.ts";
import { profileRetryAttempts } from "./limits.ts";
import { parseConditions } from "./profile-condition.ts";
import { parseFailures } from "./response-class.ts";
import { backoffBaseMs, backoffMaxMs } from "./retry.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";

/** Linkerd's budget where the profile is silent. */
const defaultBudget = { ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 };

/** A profile in the service's namespace is everyone's; elsewhere it is for the callers there, and goes first. */
export function processServiceProfiles(draft: Draft): void {
  for (const object of oldestFirst(objectsOf(draft.snapshot, "ServiceProfile"))) {
    const profile = readProfile(draft, object);
    if (profile !== undefined) draft.profiles.push(profile);
  }
}

function readProfile(draft: Draft, object: KubeObject): HostRoutes | undefined {
  const report = reportOf(draft, object);
  const root = rootField(object, report);
  const spec = root.at("spec").object();
  spec.rest(["routes", "retryBudget"], {
    dstOverrides: "dstOverrides are not in effect: use a VirtualService with weights",
    opaquePorts: "opaquePorts are not in effect: name the service's port tcp-...",
  });
  const host = object.metadata.name.toLowerCase();
  const budget = readBudget(spec.at("retryBudget"), refName(report.ref));
  const rules = spec
    .at("routes")
    .items()
    .flatMap((item) => readRoute(item, budget) ?? []);
  if (report.invalid) return undefined;
  const service = draft.services.get(host);
  if (service === undefined) {
    root
      .at("metadata")
      .at("name")
      .unresolved({
        code: "unknown-host",
        message: `there is no service ${host}: the profile waits for it`,
        fix: "a profile is named after its service: name.namespace.svc.cluster.local",
      });
    return undefined;
  }
  const namespace = namespaceOf(object);
  const visibility = namespace === service.namespace ? "all" : [namespace];
  return { host, namespace, visibility, rules, origin: report.origin("spec") };
}

function readBudget(field: Field, key: string): RetryBudget {
  field.object().rest(["retryRatio", "minRetriesPerSecond", "ttl"]);
  return {
    key,
    ratio: field.at("retryRatio").number(0, 1000) ?? defaultBudget.ratio,
    minPerSecond: field.at("minRetriesPerSecond").integer(0, 2 ** 31 - 1) ?? defaultBudget.minPerSecond,
    ttlMs: field.at("ttl").durationMs() ?? defaultBudget.ttlMs,
  };
}

const read = ["name", "condition", "responseClasses", "isRetryable", "timeout", "requestTimeout", "routes"];

/** One route of a profile is one rule; a nested list `routes` gives its match and response classes (DESIGN 7). */
function readRoute(field: Field, budget: RetryBudget): RouteRule | undefined {
  field.object().rest(read);
  const name = field.at("name").requiredText() ?? "";
  const nested = field.at("routes").items();
  if (nested.length > 0)
    field.at("routes").warn({
      code: "nested-routes",
      message: "Linkerd knows no routes inside a route: their conditions are taken as this route's match",
      fix: "write condition and responseClasses into the route itself",
    });
  for (const item of nested) item.object().rest(["condition", "responseClasses", "name"]);
  const places = field.at("condition").present || nested.length === 0 ? [field, ...nested] : nested;
  const matches = places.flatMap((place) => parseConditions(place.at("condition")));
  const failures = parseFailures(places.map((place) => place.at("responseClasses")));
  const { perTryTimeoutMs, timeoutMs } = readTimeouts(field);
  const retryable = field.at("isRetryable").bool() ?? false;
  const retries: RetryPolicy | undefined = retryable
    ? {
        attempts: profileRetryAttempts,
        on: failures.on,
        statusCodes: failures.statusCodes,
        ...(perTryTimeoutMs !== undefined && { perTryTimeoutMs }),
        idempotentOnly: true,
        backoffBaseMs,
        backoffMaxMs,
        budget,
      }
    : undefined;
  const limit = retryable ? timeoutMs : least(timeoutMs, perTryTimeoutMs);
  if (limit === undefined)
    field.note({ code: "no-timeout", message: "has no limit for the whole request", fix: "set timeout" });
  return {
    name,
    matches,
    action: { kind: "forward", destinations: [] },
    ...(limit !== undefined && { timeoutMs: limit }),
    ...(retries && { retries }),
    requestHeaders: noHeaderChanges,
    responseHeaders: noHeaderChanges,
    origin: field.report.origin(field.path),
  };
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

/** `timeout` alone is Linkerd's: the whole request. Beside `requestTimeout` it is each try's limit. */
function readTimeouts(field: Field): { perTryTimeoutMs?: number; timeoutMs?: number } {
  const timeout = field.at("timeout").durationMs();
  const whole = field.at("requestTimeout").durationMs();
  if (whole === undefined) return timeout === undefined ? {} : { timeoutMs: timeout };
  field.at("requestTimeout").warn({
    code: "request-timeout",
    message:
      timeout === undefined
        ? "Linkerd has no requestTimeout: it is taken as the limit of the whole request"
        : "Linkerd has no requestTimeout: it is taken as the limit of the whole request, and timeout as each try's",
  });
  return { timeoutMs: whole, ...(timeout !== undefined && { perTryTimeoutMs: timeout }) };
}
