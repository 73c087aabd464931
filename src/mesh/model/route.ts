/** What happens to a request that was sent to a host. */
import type { RequestMatch } from "./match.ts";
import type { Origin, Visibility } from "./ref.ts";

export interface HeaderChange {
  readonly name: string;
  readonly value: string;
}

/** set replaces, add appends. Names lower case. */
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
  readonly origin: Origin;
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
  | "envoy-ratelimited";

/** gRPC statuses that a call is tried again after; in effect for gRPC clients without a proxy. */
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
}

export type RouteAction =
  | { readonly kind: "forward"; readonly destinations: readonly Destination[] }
  | {
      readonly kind: "redirect";
      readonly code: number;
      readonly host?: string;
      readonly path?: string;
      readonly scheme?: string;
      readonly port?: number;
    }
  | { readonly kind: "respond"; readonly status: number; readonly body: string };

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
  readonly rewrite?: { readonly path?: string; readonly authority?: string };
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  readonly origin: Origin;
}

/** The rules of one host as one object gives them. */
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
