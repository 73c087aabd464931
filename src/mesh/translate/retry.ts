/** Retries as VirtualService and MeshConfig write them. */
import type { GrpcRetryReason, RetryPolicy, RetryReason } from "../model/index.ts";
import type { Field } from "./field.ts";
import { maxRetryAttempts } from "./limits.ts";

/** Envoy's back-off: 25 ms, at most ten times that. */
export const backoffBaseMs = 25;
export const backoffMaxMs = 250;

/** Only what surely was not processed: safe for every method. */
const safeReasons: readonly RetryReason[] = ["connect-failure", "refused-stream", "reset-before-request"];

const reasons: readonly RetryReason[] = [
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "refused-stream",
  "retriable-4xx",
  "retriable-status-codes",
  "retriable-headers",
  "http3-post-connect-failure",
  "envoy-ratelimited",
];
/** Statuses of gRPC. */
const grpcReasons: readonly GrpcRetryReason[] = [
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
];
/** Where manifests are silent. */
export const silentRetries: RetryPolicy = {
  attempts: 2,
  on: safeReasons,
  statusCodes: [],
  idempotentOnly: false,
  backoffBaseMs,
  backoffMaxMs,
};

/** Istio's HTTPRetry. A retryOn of the user's holds for every method. */
export function parseRetries(field: Field): RetryPolicy {
  field
    .object()
    .rest([
      "attempts",
      "perTryTimeout",
      "retryOn",
      "backoff",
      "retryRemoteLocalities",
      "retryIgnorePreviousHosts",
    ]);
  const attempts = field.at("attempts").integer(0, maxRetryAttempts);
  const perTry = field.at("perTryTimeout").durationMs({ zero: true });
  const backoff = field.at("backoff").durationMs();
  const { on, grpcOn, statusCodes } = parseRetryOn(field.at("retryOn"));
  const avoidTried = field.at("retryIgnorePreviousHosts").bool();
  const otherLocalities = field.at("retryRemoteLocalities").bool();
  if (otherLocalities === true) field.at("retryRemoteLocalities").pending("retry-localities");
  if (avoidTried === true) field.at("retryIgnorePreviousHosts").pending("retry-hosts");
  if (!field.at("attempts").present)
    field.note({
      code: "default-attempts",
      message: `attempts is not given: ${silentRetries.attempts} are made`,
    });
  return {
    attempts: attempts ?? silentRetries.attempts,
    on,
    ...(grpcOn.length > 0 && { grpcOn }),
    statusCodes,
    ...(perTry !== undefined && perTry > 0 && { perTryTimeoutMs: perTry }),
    idempotentOnly: false,
    backoffBaseMs: backoff ?? backoffBaseMs,
    backoffMaxMs: (backoff ?? backoffBaseMs) * 10,
    ...(avoidTried === false && { avoidTried }),
    ...(otherLocalities === true && { otherLocalities }),
  };
}

function sayReason(field: Field, reason: RetryReason): void {
  if (reason === "retriable-headers") {
    field.pending("retriable-headers");
    field.note({
      code: "retriable-headers",
      message: "retriable-headers acts on headers that the request names in x-envoy-retriable-header-names",
    });
  }
  if (reason === "http3-post-connect-failure")
    field.note({ code: "no-http3", message: "http3-post-connect-failure never happens: HTTP/3 is not used" });
}

function parseRetryOn(field: Field): {
  readonly on: readonly RetryReason[];
  readonly grpcOn: readonly GrpcRetryReason[];
  readonly statusCodes: readonly number[];
} {
  const text = field.text();
  if (text === undefined || text === "") return { on: safeReasons, grpcOn: [], statusCodes: [] };
  const on = new Set<RetryReason>();
  const grpcOn = new Set<GrpcRetryReason>();
  const statusCodes = new Set<number>();
  for (const raw of text.split(",")) {
    const word = raw.trim();
    const known = reasons.find((r) => r === word);
    const status = grpcReasons.find((r) => r === word);
    if (known !== undefined) {
      on.add(known);
      sayReason(field, known);
    } else if (status !== undefined) {
      grpcOn.add(status);
      field.pending("grpc-retry");
    } else if (/^[1-5]\d\d$/.test(word)) statusCodes.add(Number(word));
    else
      field.error({
        code: "invalid-value",
        message: `${JSON.stringify(word)} is no reason to retry`,
        fix: `one of ${[...reasons, ...grpcReasons].join(", ")}, or a status code`,
      });
  }
  if (statusCodes.size > 0) on.add("retriable-status-codes");
  return { on: [...on], grpcOn: [...grpcOn], statusCodes: [...statusCodes] };
}
