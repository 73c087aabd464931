/** RetryPolicy with Envoy's defaults. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { RetryPolicy as Message } from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { RetryPolicy } from "../config/index.ts";
import { headerMatch } from "./match.ts";
import type { Findings, Path } from "./path.ts";
import { durationMs, objectAt } from "./values.ts";

const words = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "refused-stream",
  "retriable-4xx",
  "retriable-status-codes",
  "envoy-ratelimited",
]);

/** retry_back_off's base_interval; max_interval is ten times the base. */
const backoffBaseMs = 25;

/** Linkerd's window where the annotation is silent. */
const budgetTtlMs = 10_000;

function budgetOf(weft: JsonObject): RetryPolicy["budget"] {
  const budget = objectAt(weft, "retry_budget");
  if (!budget) return undefined;
  const { key, ratio, min_per_second, ttl } = budget;
  const seconds = typeof ttl === "string" ? Number.parseFloat(ttl) : Number.NaN;
  return {
    key: typeof key === "string" ? key : "",
    ratio: typeof ratio === "number" ? ratio : 0.2,
    minPerSecond: typeof min_per_second === "number" ? min_per_second : 10,
    ttlMs: seconds > 0 ? seconds * 1000 : budgetTtlMs,
  };
}

/** `weft` is the metadata of the route, which may hold a retry budget. Undefined where nothing would be retried. */
export function retryPolicy(
  policy: Message,
  weft: JsonObject,
  path: Path,
  findings: Findings,
): RetryPolicy | undefined {
  const retryOn = policy.retryOn
    .split(",")
    .map((w) => w.trim())
    .filter((w) => w !== "");
  for (const word of retryOn)
    if (!words.has(word))
      findings.error(
        path.at("retry_on"),
        `${JSON.stringify(word)} is not supported; known: ${[...words].join(", ")}`,
      );
  const base = durationMs(policy.retryBackOff?.baseInterval, backoffBaseMs);
  const max = durationMs(policy.retryBackOff?.maxInterval, base * 10);
  if (max < base)
    findings.error(path.at("retry_back_off").at("max_interval"), "must not be below base_interval");
  const headersPath = path.at("retriable_request_headers");
  const budget = budgetOf(weft);
  const headers = policy.retriableRequestHeaders.map((h, i) => headerMatch(h, headersPath.at(i), findings));
  if (retryOn.length === 0) return undefined;
  return {
    retryOn,
    numRetries: policy.numRetries ?? 1,
    perTryTimeoutMs: durationMs(policy.perTryTimeout, 0),
    retriableStatusCodes: policy.retriableStatusCodes,
    retriableRequestHeaders: headers,
    backoffBaseMs: base,
    backoffMaxMs: max,
    ...(budget ? { budget } : {}),
  };
}
