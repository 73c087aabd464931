/** Retries -> RetryPolicy. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { RetryPolicySchema } from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import { PreviousHostsPredicateSchema } from "../../proto/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js";
import { PreviousPrioritiesConfigSchema } from "../../proto/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js";
import { carriesOut, type RetryPolicy } from "../model/index.ts";
import type { ProxyNode } from "./types.ts";
import { duration } from "./values.ts";

export type RetryPolicyInit = MessageInitShape<typeof RetryPolicySchema>;

/** What may be repeated without harm: RFC 9110 9.2.2. */
const idempotent = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];

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

/** Envoy's; words and choices that the proxy does not know are left out for it. */
export function retryPolicy(retries: RetryPolicy, kind: ProxyNode["kind"]): RetryPolicyInit | undefined {
  const http = retries.on.filter(
    (word) => !laterWords.includes(word) || carriesOut(kind, "retriable-headers"),
  );
  const on = [...http, ...(carriesOut(kind, "grpc-retry") ? (retries.grpcOn ?? []) : [])];
  if (retries.attempts === 0 || on.length === 0) return undefined;
  return {
    retryOn: on.join(","),
    ...hostChoice(retries, kind),
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

/** Words that only the newer proxies know. */
const laterWords: readonly string[] = ["retriable-headers", "http3-post-connect-failure"];
/** How often another endpoint is looked for; Istio's. */
const hostSelectionAttempts = 5n;

/** Where a further try goes: not to an endpoint that was tried, unless told otherwise; to other localities if told. */
function hostChoice(
  retries: RetryPolicy,
  kind: ProxyNode["kind"],
): Pick<RetryPolicyInit, "retryHostPredicate" | "hostSelectionRetryMaxAttempts" | "retryPriority"> {
  const avoid = retries.avoidTried !== false && carriesOut(kind, "retry-hosts");
  const elsewhere = retries.otherLocalities === true && carriesOut(kind, "retry-localities");
  return {
    ...(avoid && {
      retryHostPredicate: [
        {
          name: "envoy.retry_host_predicates.previous_hosts",
          configType: {
            case: "typedConfig",
            value: anyPack(PreviousHostsPredicateSchema, create(PreviousHostsPredicateSchema)),
          },
        },
      ],
      hostSelectionRetryMaxAttempts: hostSelectionAttempts,
    }),
    ...(elsewhere && {
      retryPriority: {
        name: "envoy.retry_priorities.previous_priorities",
        configType: {
          case: "typedConfig",
          value: anyPack(
            PreviousPrioritiesConfigSchema,
            create(PreviousPrioritiesConfigSchema, { updateFrequency: 2 }),
          ),
        },
      },
    }),
  };
}
