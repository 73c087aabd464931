/** What an internal request asks of the router by header (Envoy's router filter, "HTTP headers consumed"). */
import { getHeader, removeHeader } from "../../wire/http/index.ts";
import type { RetryPolicy } from "../config/index.ts";
import { type CompiledRetry, compileRetry, retryBits } from "./retry-policy.ts";
import type { StreamInfo } from "./stream-info.ts";

export interface Overrides {
  readonly timeoutMs: number | undefined;
  readonly perTryTimeoutMs: number | undefined;
  /** The route's policy with what the headers add; null: no retries. */
  readonly retry: CompiledRetry | null;
}

/** RetryPolicy where the route has none; one retry, as Envoy. */
const silent: RetryPolicy = {
  retryOn: [],
  numRetries: 1,
  perTryTimeoutMs: 0,
  retriableStatusCodes: [],
  retriableRequestHeaders: [],
  backoffBaseMs: 25,
  backoffMaxMs: 250,
};
const none = compileRetry(silent);

/** The header's value; it goes no further. */
function take(info: StreamInfo, name: string): string | undefined {
  const value = getHeader(info.headers, name);
  if (value !== undefined) removeHeader(info.headers, name);
  return value;
}

function takeNumber(info: StreamInfo, name: string): number | undefined {
  const value = take(info, name);
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

function retryOf(info: StreamInfo, route: CompiledRetry | null): CompiledRetry | null {
  const on = take(info, "x-envoy-retry-on");
  const most = takeNumber(info, "x-envoy-max-retries");
  const codes = take(info, "x-envoy-retriable-status-codes");
  if (on === undefined && route === null) return null;
  const base = route ?? none;
  const { policy } = base;
  return {
    allows: base.allows,
    on: base.on | retryBits(on?.split(",") ?? []),
    policy: {
      ...policy,
      numRetries: most ?? policy.numRetries,
      retriableStatusCodes: [
        ...policy.retriableStatusCodes,
        ...(codes ?? "").split(",").flatMap((c) => (/^\s*[1-5]\d\d\s*$/.test(c) ? [Number(c)] : [])),
      ],
    },
  };
}

/** Reads and removes them; `route` is the route's own policy. */
export function takeOverrides(info: StreamInfo, route: CompiledRetry | null): Overrides {
  return {
    timeoutMs: takeNumber(info, "x-envoy-upstream-rq-timeout-ms"),
    perTryTimeoutMs: takeNumber(info, "x-envoy-upstream-rq-per-try-timeout-ms"),
    retry: retryOf(info, route),
  };
}
