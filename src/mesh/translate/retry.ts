/** Retries as VirtualService and MeshConfig write them. */
import type { RetryPolicy, RetryReason } from "../model/index.ts";
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
  "envoy-ratelimited",
];
/** Words of Envoy's that Weft's proxy does not act on yet. */
const laterReasons: readonly string[] = [
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
  "retriable-headers",
  "http3-post-connect-failure",
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

/** Istio's HTTPRetry: attempts, perTryTimeout, retryOn, backoff. A retryOn of the user's holds for every method. */
export function parseRetries(field: Field): RetryPolicy {
  field.object().rest(["attempts", "perTryTimeout", "retryOn", "backoff"]);
  const attempts = field.at("attempts").integer(0, maxRetryAttempts);
  const perTry = field.at("perTryTimeout").durationMs({ zero: true });
  const backoff = field.at("backoff").durationMs();
  const { on, statusCodes } = parseRetryOn(field.at("retryOn"));
  if (!field.at("attempts").present)
    field.note({
      code: "default-attempts",
      message: `attempts is not given: ${silentRetries.attempts} are made`,
    });
  return {
    attempts: attempts ?? silentRetries.attempts,
    on,
    statusCodes,
    ...(perTry !== undefined && perTry > 0 && { perTryTimeoutMs: perTry }),
    idempotentOnly: false,
    backoffBaseMs: backoff ?? backoffBaseMs,
    backoffMaxMs: (backoff ?? backoffBaseMs) * 10,
  };
}

function parseRetryOn(field: Field): { on: readonly RetryReason[]; statusCodes: readonly number[] } {
  const text = field.text();
  if (text === undefined || text === "") return { on: safeReasons, statusCodes: [] };
  const on = new Set<RetryReason>();
  const statusCodes = new Set<number>();
  for (const raw of text.split(",")) {
    const word = raw.trim();
    const known = reasons.find((r) => r === word);
    if (known !== undefined) on.add(known);
    else if (/^[1-5]\d\d$/.test(word)) statusCodes.add(Number(word));
    else if (laterReasons.includes(word)) field.ignored(`${word} is accepted and not in effect yet`);
    else
      field.error({
        code: "invalid-value",
        message: `${JSON.stringify(word)} is no reason to retry`,
        fix: `one of ${reasons.join(", ")}, or a status code`,
      });
  }
  if (statusCodes.size > 0) on.add("retriable-status-codes");
  return { on: [...on], statusCodes: [...statusCodes] };
}
