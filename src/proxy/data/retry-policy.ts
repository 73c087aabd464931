/** Retry policies compiled: the words of retry_on as a bit set. */
import type { RetryPolicy } from "../config/index.ts";
import { compileHeader, type RequestMatcher, type RequestView } from "./match.ts";

/** Bits of retry_on. */
export const retryOn = {
  any5xx: 1,
  gatewayError: 2,
  reset: 4,
  resetBeforeRequest: 8,
  connectFailure: 16,
  refusedStream: 32,
  retriable4xx: 64,
  retriableStatus: 128,
  rateLimited: 256,
} as const;

const words: Readonly<Record<string, number>> = {
  "5xx": retryOn.any5xx,
  "gateway-error": retryOn.gatewayError,
  reset: retryOn.reset,
  "reset-before-request": retryOn.resetBeforeRequest,
  "connect-failure": retryOn.connectFailure,
  "refused-stream": retryOn.refusedStream,
  "retriable-4xx": retryOn.retriable4xx,
  "retriable-status-codes": retryOn.retriableStatus,
  "envoy-ratelimited": retryOn.rateLimited,
};

export interface CompiledRetry {
  readonly policy: RetryPolicy;
  readonly on: number;
  /** Whether this request may be retried at all (retriable_request_headers). */
  readonly allows: RequestMatcher;
}

/** Bits of a list of retry_on words; unknown ones mean nothing (Envoy). */
export function retryBits(list: readonly string[]): number {
  let bits = 0;
  for (const word of list) bits |= words[word.trim()] ?? 0;
  return bits;
}

export function compileRetry(policy: RetryPolicy): CompiledRetry {
  const matchers = policy.retriableRequestHeaders.map(compileHeader);
  const allows = (r: RequestView): boolean => matchers.length === 0 || matchers.some((m) => m(r));
  return { policy, on: retryBits(policy.retryOn), allows };
}

/** How a try ended without an answer. */
export type TryFailure =
  | "connect-failure"
  | "connect-timeout"
  | "overflow"
  | "reset"
  | "reset-unsent"
  | "per-try-timeout"
  | "protocol-error";

/** Envoy's wouldRetryFromReset. `overflow` is never retried. */
export function retriesFailure(on: number, failure: TryFailure): boolean {
  if (failure === "overflow") return false;
  if ((on & (retryOn.any5xx | retryOn.gatewayError | retryOn.reset)) !== 0) return true;
  switch (failure) {
    case "connect-failure":
    case "connect-timeout":
      return (on & (retryOn.connectFailure | retryOn.resetBeforeRequest)) !== 0;
    case "reset-unsent":
      return (on & (retryOn.resetBeforeRequest | retryOn.connectFailure)) !== 0;
    default:
      return false;
  }
}

/** Envoy's wouldRetryFromHeaders. */
export function retriesStatus(retry: CompiledRetry, status: number, rateLimited: boolean): boolean {
  const { on } = retry;
  if (rateLimited) return (on & retryOn.rateLimited) !== 0;
  if (status >= 500 && status < 600 && (on & retryOn.any5xx) !== 0) return true;
  if (status >= 502 && status <= 504 && (on & retryOn.gatewayError) !== 0) return true;
  if (status === 409 && (on & retryOn.retriable4xx) !== 0) return true;
  return (on & retryOn.retriableStatus) !== 0 && retry.policy.retriableStatusCodes.includes(status);
}
