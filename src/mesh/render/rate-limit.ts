/** Limits of a service -> the filter before its application, and routes that choose the bucket. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { XRateLimitHeadersRFCVersion } from "../../proto/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import { LocalRateLimitSchema } from "../../proto/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js";
import type { HttpFilterSchema } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { FractionalPercent_DenominatorType } from "../../proto/gen/envoy/type/v3/percent_pb.js";
import { carriesOut, type RateLimitRule } from "../model/index.ts";
import type { RouteInit } from "./route.ts";
import { routeMatch } from "./route-match.ts";
import type { ProxyNode } from "./types.ts";
import { duration, weftMetadata } from "./values.ts";

const name = "envoy.filters.http.local_ratelimit";
const statPrefix = "http_local_rate_limiter";
const everybody = {
  defaultValue: { numerator: 100, denominator: FractionalPercent_DenominatorType.HUNDRED },
};

/** Without a bucket it lets everything through: buckets are the routes'. */
export function limitFilters(
  rules: readonly RateLimitRule[],
  kind: ProxyNode["kind"],
): MessageInitShape<typeof HttpFilterSchema>[] {
  if (rules.length === 0 || !carriesOut(kind, "local-rate-limit")) return [];
  const value = anyPack(LocalRateLimitSchema, create(LocalRateLimitSchema, { statPrefix }));
  return [{ name, configType: { case: "typedConfig", value } }];
}

/** What is the same of all routes to the application. */
type InboundRoute = RouteInit & { readonly $typeName?: never };

/** `route`, once for each match of each rule, and without a limit at the end. */
export function limitedRoutes(
  route: InboundRoute,
  rules: readonly RateLimitRule[],
  kind: ProxyNode["kind"],
): RouteInit[] {
  if (!carriesOut(kind, "local-rate-limit")) return [route];
  const limited = rules.flatMap((rule) => {
    const matches = rule.matches.length === 0 ? [undefined] : rule.matches;
    return matches.map(
      (match): RouteInit => ({
        ...route,
        ...(rule.name !== "" && { name: rule.name }),
        match: routeMatch(match),
        metadata: weftMetadata(rule.origin),
        typedPerFilterConfig: { [name]: bucket(rule) },
      }),
    );
  });
  return rules.some((r) => r.matches.length === 0) ? limited : [...limited, route];
}

function bucket({ requests, perMs, burst }: RateLimitRule): Any {
  const limit = create(LocalRateLimitSchema, {
    statPrefix,
    tokenBucket: { maxTokens: burst, tokensPerFill: requests, fillInterval: duration(perMs) },
    filterEnabled: everybody,
    filterEnforced: everybody,
    enableXRatelimitHeaders: XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
  });
  return anyPack(LocalRateLimitSchema, limit);
}
