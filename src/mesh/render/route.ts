/** Rules -> Routes. */
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type {
  RouteActionSchema,
  RouteSchema,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import { FractionalPercent_DenominatorType } from "../../proto/gen/envoy/type/v3/percent_pb.js";
import { carriesOut, type Destination, type RetryPolicy, type RouteAction } from "../model/index.ts";
import type { ComposedRule } from "./compose.ts";
import { perRoute } from "./http-filters.ts";
import type { RetryPolicyInit } from "./retry.ts";
import { redirectAction, responseAction } from "./route-answer.ts";
import { headerOps } from "./route-headers.ts";
import { routeMatch } from "./route-match.ts";
import type { ProxyNode } from "./types.ts";
import { duration, ownerFields, weftMetadata } from "./values.ts";

export type RouteInit = MessageInitShape<typeof RouteSchema>;
type ActionInit = NonNullable<RouteInit["action"]>;

export interface RouteContext {
  /** Cluster of a destination for the port that was called. */
  readonly clusterOf: (destination: Destination, budgeted: boolean) => string;
  readonly defaultRetries: RetryPolicy;
  readonly kind: ProxyNode["kind"];
  /** The port that was called. */
  readonly port: number;
  /** What consistent hashing goes by at these destinations. */
  readonly hashOf: (destinations: readonly Destination[]) => ActionValue["hashPolicy"];
  /** How retries are written; undefined: there are none to write. */
  readonly retryPolicy: (retries: RetryPolicy, kind: ProxyNode["kind"]) => RetryPolicyInit | undefined;
}

type ActionValue = MessageInitShape<typeof RouteActionSchema>;

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
    ...filterConfig(rule, context.kind),
  };
  const metadata = (origin: ComposedRule["origin"]): RouteInit["metadata"] =>
    weftMetadata(origin, {
      ...(rule.action.kind === "forward" && retries.budget && { retry_budget: budgetFields(retries) }),
      ...(rule.refinedBy && { refined_by: ownerFields(rule.refinedBy) }),
      ...(broken !== undefined && { broken }),
    });
  if (matches.length === 0)
    return [{ ...common, match: routeMatch(undefined), metadata: metadata(rule.origin) }];
  return matches.map((match) => ({
    ...common,
    ...(match.name !== undefined && { name: rule.name === "" ? match.name : `${rule.name}.${match.name}` }),
    ...(match.statPrefix !== undefined && { statPrefix: match.statPrefix }),
    match: routeMatch(match),
    metadata: metadata(rule.origin),
  }));
}

/** Faults and cross-origin rules act in filters of the chain. */
function filterConfig(rule: ComposedRule, kind: ProxyNode["kind"]): Pick<RouteInit, "typedPerFilterConfig"> {
  const typedPerFilterConfig = perRoute(rule, kind);
  return Object.keys(typedPerFilterConfig).length > 0 ? { typedPerFilterConfig } : {};
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
  if (action.kind === "redirect") return { case: "redirect", value: redirectAction(action, context.port) };
  if (action.kind === "respond") return { case: "directResponse", value: responseAction(action) };
  const shares = action.destinations.filter((d) => d.weight > 0);
  const budgeted = retries.budget !== undefined;
  const retry = context.retryPolicy(retries, context.kind);
  const hashPolicy = context.hashOf(shares);
  const value: MessageInitShape<typeof RouteActionSchema> = {
    clusterSpecifier:
      shares.length === 1
        ? { case: "cluster", value: context.clusterOf(shares[0]!, budgeted) }
        : {
            case: "weightedClusters",
            value: {
              clusters: shares.map((d) => ({
                name: context.clusterOf(d, budgeted),
                weight: d.weight,
                ...ownHeaders(d),
              })),
            },
          },
    timeout: duration(rule.timeoutMs ?? 0),
    ...(retry && { retryPolicy: retry }),
    ...rewriteOf(rule),
    ...mirrorsOf(rule, context),
    ...(hashPolicy && hashPolicy.length > 0 && { hashPolicy }),
  };
  return { case: "route", value };
}

function rewriteOf({
  rewrite,
}: ComposedRule): Pick<ActionValue, "prefixRewrite" | "regexRewrite" | "hostRewriteSpecifier"> {
  const regex = rewrite?.regex;
  return {
    ...(rewrite?.path && { prefixRewrite: rewrite.path }),
    ...(regex && {
      regexRewrite: { pattern: { regex: regex.pattern }, substitution: regex.substitution },
    }),
    ...(rewrite?.authority && {
      hostRewriteSpecifier: { case: "hostRewriteLiteral" as const, value: rewrite.authority },
    }),
  };
}

function ownHeaders(d: Destination) {
  return {
    ...(d.requestHeaders && headerOps(d.requestHeaders, "request")),
    ...(d.responseHeaders && headerOps(d.responseHeaders, "response")),
    ...(d.authority && {
      hostRewriteSpecifier: { case: "hostRewriteLiteral" as const, value: d.authority },
    }),
  };
}

function mirrorsOf(rule: ComposedRule, context: RouteContext): Pick<ActionValue, "requestMirrorPolicies"> {
  const mirrors = carriesOut(context.kind, "mirror") ? (rule.mirrors ?? []) : [];
  if (mirrors.length === 0) return {};
  return {
    requestMirrorPolicies: mirrors.map(({ destination, share }) => ({
      cluster: context.clusterOf({ ...destination, weight: 1 }, false),
      runtimeFraction: {
        defaultValue: { numerator: share, denominator: FractionalPercent_DenominatorType.MILLION },
      },
    })),
  };
}
