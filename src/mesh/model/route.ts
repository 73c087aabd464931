/** What happens to a request that was sent to a host. */
import type { RequestMatch, StringMatch } from "./match.ts";
import type { Origin, Visibility } from "./ref.ts";

/** Parts of a million: 50 % is 500,000. */
export type Share = number;
export const wholeShare: Share = 1_000_000;

export interface HeaderChange {
  readonly name: string;
  readonly value: string;
}

/** set replaces, add appends. Names lower case; values in Envoy's format, a literal percent sign doubled. */
export interface HeaderChanges {
  readonly set: readonly HeaderChange[];
  readonly add: readonly HeaderChange[];
  readonly remove: readonly string[];
}

/** One target of a route. Weights are relative; a weight of 0 gets nothing. */
export interface Destination {
  /** Resolved host name of a service. */
  readonly host: string;
  /** Absent: the service's only port, else the port that the client called. */
  readonly port?: number;
  readonly subset?: string;
  readonly weight: number;
  /** Why this destination cannot be served (unknown host, nobody in the subset): its share is answered 503. */
  readonly broken?: string;
  /** After those of the rule; only where there are any. */
  readonly requestHeaders?: HeaderChanges;
  readonly responseHeaders?: HeaderChanges;
  /** Host header for this destination. */
  readonly authority?: string;
  readonly origin: Origin;
}

/** Where a copy of requests goes; its answer is thrown away. */
export interface Mirror {
  readonly destination: Omit<Destination, "weight">;
  readonly share: Share;
}

/** Errors made on purpose, to try callers out. */
export interface Fault {
  readonly delay?: { readonly ms: number; readonly share: Share };
  readonly abort?: {
    readonly status: number;
    /** The status is one of gRPC's, answered in a header with HTTP 200. */
    readonly grpc: boolean;
    readonly share: Share;
  };
  readonly origin: Origin;
}

/** What browsers of other origins may do (Fetch standard). */
export interface CorsPolicy {
  readonly origins: readonly StringMatch[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds?: number;
  readonly credentials?: boolean;
  /** Preflights of other origins go on to the service. */
  readonly forwardUnmatched: boolean;
  readonly origin: Origin;
}

export interface Rewrite {
  /** In place of the path, or of the prefix that matched. */
  readonly path?: string;
  /** RE2; back-references in the substitution are \\1 to \\9. */
  readonly regex?: { readonly pattern: string; readonly substitution: string };
  readonly authority?: string;
}

/** Linkerd's budget: retries within ttl <= ratio x requests within ttl + minPerSecond x ttl. */
export interface RetryBudget {
  /** Routes with the same key share the budget. */
  readonly key: string;
  readonly ratio: number;
  readonly minPerSecond: number;
  readonly ttlMs: number;
}

export type RetryReason =
  | "5xx"
  | "gateway-error"
  | "reset"
  | "reset-before-request"
  | "connect-failure"
  | "refused-stream"
  | "retriable-4xx"
  | "retriable-status-codes"
  | "retriable-headers"
  | "http3-post-connect-failure"
  | "envoy-ratelimited";

/** gRPC statuses that a call is tried again after. */
export type GrpcRetryReason =
  | "cancelled"
  | "deadline-exceeded"
  | "internal"
  | "resource-exhausted"
  | "unavailable";

export interface RetryPolicy {
  /** Retries after the first try; 0: none. */
  readonly attempts: number;
  readonly on: readonly RetryReason[];
  readonly grpcOn?: readonly GrpcRetryReason[];
  readonly statusCodes: readonly number[];
  /** Limit of each try in milliseconds; absent: none of its own. */
  readonly perTryTimeoutMs?: number;
  /** Only GET, HEAD, OPTIONS, PUT, DELETE and TRACE are repeated. */
  readonly idempotentOnly: boolean;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly budget?: RetryBudget;
  /** False: a further try may go to an endpoint that failed. Default true. */
  readonly avoidTried?: boolean;
  /** Further tries go to other localities. Default false. */
  readonly otherLocalities?: boolean;
}

export type RouteAction =
  | { readonly kind: "forward"; readonly destinations: readonly Destination[] }
  | {
      readonly kind: "redirect";
      readonly code: number;
      readonly host?: string;
      readonly path?: string;
      readonly scheme?: string;
      /** "request": the port that was called. */
      readonly port?: number | "request";
    }
  | {
      readonly kind: "respond";
      readonly status: number;
      readonly body: string;
      /** The body where it is no text. */
      readonly base64?: string;
    };

/** One rule of a host: the first whose match holds decides. */
export interface RouteRule {
  readonly name: string;
  /** Any one must hold; empty: every request. */
  readonly matches: readonly RequestMatch[];
  readonly action: RouteAction;
  /** Limit of the whole request in milliseconds; absent: none. */
  readonly timeoutMs?: number;
  /** Absent: the mesh's default. */
  readonly retries?: RetryPolicy;
  readonly rewrite?: Rewrite;
  readonly mirrors?: readonly Mirror[];
  readonly fault?: Fault;
  readonly cors?: CorsPolicy;
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  readonly origin: Origin;
}

/** The rules of one host; of several objects the oldest's come first. */
export interface HostRoutes {
  /** Lower case: a service's host name, another name, or `*.suffix`. */
  readonly host: string;
  readonly visibility: Visibility;
  /** The namespace whose own callers this is meant for first (profiles of the caller's namespace). */
  readonly namespace: string;
  readonly rules: readonly RouteRule[];
  readonly origin: Origin;
}

export const noHeaderChanges: HeaderChanges = { set: [], add: [], remove: [] };
