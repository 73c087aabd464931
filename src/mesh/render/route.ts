/** Rules -> Routes. */
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import {
  HeaderValueOption_HeaderAppendAction,
  type HeaderValueOptionSchema,
} from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import {
  RedirectAction_RedirectResponseCode,
  type RedirectActionSchema,
  type RetryPolicySchema,
  type RouteActionSchema,
  type RouteSchema,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { Destination, HeaderChanges, RetryPolicy, RouteAction } from "../model/index.ts";
import type { ComposedRule } from "./compose.ts";
import { routeMatch } from "./route-match.ts";
import { duration, ownerFields, weftMetadata } from "./values.ts";

export type RouteInit = MessageInitShape<typeof RouteSchema>;
type ActionInit = NonNullable<RouteInit["action"]>;

/** What may be repeated without harm: RFC 9110 9.2.2. */
const idempotent = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];

export interface RouteContext {
  /** Cluster of a destination for the port that was called. */
  readonly clusterOf: (destination: Destination, budgeted: boolean) => string;
  readonly defaultRetries: RetryPolicy;
  /** How retries are written; undefined: there are none to write. */
  readonly retryPolicy: (retries: RetryPolicy) => RetryPolicyInit | undefined;
}

type RetryPolicyInit = MessageInitShape<typeof RetryPolicySchema>;

/** One route for each match, in order. */
export function routesOf(
  rule: ComposedRule,
  matches: ComposedRule["matches"],
  context: RouteContext,
): readonly RouteInit[] {
  const retries = rule.retries ?? context.defaultRetries;
  const action = actionOf(rule, retries, context);
  const broken = brokenOf(rule.action);
  const common: RouteInit = {
    name: rule.name === "" ? "default" : rule.name,
    action,
    ...headerOps(rule.requestHeaders, "request"),
    ...headerOps(rule.responseHeaders, "response"),
  };
  const metadata = (origin: ComposedRule["origin"]): RouteInit["metadata"] =>
    weftMetadata(origin, {
      ...(rule.action.kind === "forward" && retries.budget && { retry_budget: budgetFields(retries) }),
      ...(rule.refinedBy && { refined_by: ownerFields(rule.refinedBy) }),
      ...(broken !== undefined && { broken }),
    });
  if (matches.length === 0)
    return [{ ...common, match: routeMatch(undefined), metadata: metadata(rule.origin) }];
  return matches.map((match) => ({ ...common, match: routeMatch(match), metadata: metadata(rule.origin) }));
}

function brokenOf(action: RouteAction): string | undefined {
  return action.kind === "forward" ? action.destinations.find((d) => d.broken)?.broken : undefined;
}

function budgetFields(retries: RetryPolicy): JsonObject {
  const { key, ratio, minPerSecond, ttlMs } = retries.budget!;
  return { key, ratio, min_per_second: minPerSecond, ttl: `${ttlMs / 1000}s` };
}

function actionOf(rule: ComposedRule, retries: RetryPolicy, context: RouteContext): ActionInit {
  const { action } = rule;
  if (action.kind === "redirect") return { case: "redirect", value: redirectAction(action) };
  if (action.kind === "respond")
    return {
      case: "directResponse",
      value: {
        status: action.status,
        ...(action.body !== "" && { body: { specifier: { case: "inlineString", value: action.body } } }),
      },
    };
  const shares = action.destinations.filter((d) => d.weight > 0);
  const budgeted = retries.budget !== undefined;
  const retry = context.retryPolicy(retries);
  const value: MessageInitShape<typeof RouteActionSchema> = {
    clusterSpecifier:
      shares.length === 1
        ? { case: "cluster", value: context.clusterOf(shares[0]!, budgeted) }
        : {
            case: "weightedClusters",
            value: {
              clusters: shares.map((d) => ({ name: context.clusterOf(d, budgeted), weight: d.weight })),
            },
          },
    timeout: duration(rule.timeoutMs ?? 0),
    ...(retry && { retryPolicy: retry }),
    ...(rule.rewrite?.path && { prefixRewrite: rule.rewrite.path }),
    ...(rule.rewrite?.authority && {
      hostRewriteSpecifier: { case: "hostRewriteLiteral", value: rule.rewrite.authority },
    }),
  };
  return { case: "route", value };
}

function backOff(retries: RetryPolicy): RetryPolicyInit["retryBackOff"] {
  return {
    baseInterval: duration(retries.backoffBaseMs),
    maxInterval: duration(retries.backoffMaxMs),
  };
}

/** gRPC's own reasons, and those of HTTP that it calls UNAVAILABLE. What was not sent at all it sends again by itself. */
export function grpcRetryPolicy(retries: RetryPolicy): RetryPolicyInit | undefined {
  const http = retries.on.some((reason) => unavailableReasons.has(reason));
  const on = new Set<string>([...(retries.grpcOn ?? []), ...(http ? ["unavailable"] : [])]);
  if (retries.attempts === 0 || on.size === 0) return undefined;
  return { retryOn: [...on].join(","), numRetries: retries.attempts, retryBackOff: backOff(retries) };
}

const unavailableReasons: ReadonlySet<string> = new Set(["5xx", "gateway-error", "reset"]);

export function retryPolicy(retries: RetryPolicy): RetryPolicyInit | undefined {
  if (retries.attempts === 0 || retries.on.length === 0) return undefined;
  return {
    retryOn: retries.on.join(","),
    numRetries: retries.attempts,
    retriableStatusCodes: [...retries.statusCodes],
    ...(retries.perTryTimeoutMs !== undefined && { perTryTimeout: duration(retries.perTryTimeoutMs) }),
    retryBackOff: backOff(retries),
    ...(retries.idempotentOnly && {
      retriableRequestHeaders: idempotent.map((value) => ({
        name: ":method",
        headerMatchSpecifier: {
          case: "stringMatch" as const,
          value: { matchPattern: { case: "exact" as const, value } },
        },
      })),
    }),
  };
}

const redirectCodes: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

function redirectAction(
  action: Extract<RouteAction, { kind: "redirect" }>,
): MessageInitShape<typeof RedirectActionSchema> {
  return {
    responseCode: redirectCodes[action.code]!,
    ...(action.host && { hostRedirect: action.host }),
    ...(action.path && { pathRewriteSpecifier: { case: "pathRedirect", value: action.path } }),
    ...(action.scheme && { schemeRewriteSpecifier: { case: "schemeRedirect", value: action.scheme } }),
    ...(action.port !== undefined && { portRedirect: action.port }),
  };
}

type Ops = Pick<
  RouteInit,
  "requestHeadersToAdd" | "requestHeadersToRemove" | "responseHeadersToAdd" | "responseHeadersToRemove"
>;

function headerOps(changes: HeaderChanges, side: "request" | "response"): Ops {
  type Option = MessageInitShape<typeof HeaderValueOptionSchema>;
  const { OVERWRITE_IF_EXISTS_OR_ADD, APPEND_IF_EXISTS_OR_ADD } = HeaderValueOption_HeaderAppendAction;
  const add: Option[] = [
    ...changes.set.map((h) => ({
      header: { key: h.name, value: h.value },
      appendAction: OVERWRITE_IF_EXISTS_OR_ADD,
    })),
    ...changes.add.map((h) => ({
      header: { key: h.name, value: h.value },
      appendAction: APPEND_IF_EXISTS_OR_ADD,
    })),
  ];
  const remove = [...changes.remove];
  return side === "request"
    ? { requestHeadersToAdd: add, requestHeadersToRemove: remove }
    : { responseHeadersToAdd: add, responseHeadersToRemove: remove };
}
