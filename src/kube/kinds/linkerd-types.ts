/** linkerd.io/v1alpha2 ServiceProfile, with the fields that DESIGN.md section 7 gives a meaning. */
import type { KubeObject } from "./types.ts";

/** Exactly one form: method and path of a request, or a combination of conditions. */
export interface ProfileRequestMatch {
  readonly method?: string;
  /** Anchored at both ends; the query is not part of it. */
  readonly pathRegex?: string;
  readonly all?: readonly ProfileRequestMatch[];
  readonly any?: readonly ProfileRequestMatch[];
  readonly not?: ProfileRequestMatch;
}

export interface ProfileResponseMatch {
  /** Both ends included; `min` and `max` default to each other. */
  readonly status?: { readonly min?: number; readonly max?: number };
  readonly all?: readonly ProfileResponseMatch[];
  readonly any?: readonly ProfileResponseMatch[];
  readonly not?: ProfileResponseMatch;
}

export interface ProfileResponseClass {
  readonly condition?: ProfileResponseMatch;
  readonly isFailure?: boolean;
  /** Has no meaning; accepted with a warning. */
  readonly weight?: number;
}

/** An entry of a route's nested list: gives the match and the classes of the route around it. */
export interface ProfileNestedRoute {
  readonly name?: string;
  readonly condition?: ProfileRequestMatch;
  readonly responseClasses?: readonly ProfileResponseClass[];
  readonly weight?: number;
}

export interface ProfileRoute {
  readonly name: string;
  readonly condition?: ProfileRequestMatch;
  readonly isRetryable?: boolean;
  /** Limit of one try. With `requestTimeout` absent it is the limit of the whole request, as Linkerd has it. */
  readonly timeout?: string;
  readonly requestTimeout?: string;
  readonly responseClasses?: readonly ProfileResponseClass[];
  readonly routes?: readonly ProfileNestedRoute[];
}

export interface RetryBudget {
  readonly retryRatio?: number;
  readonly minRetriesPerSecond?: number;
  readonly ttl?: string;
}

export interface ServiceProfileSpec {
  readonly routes?: readonly ProfileRoute[];
  readonly retryBudget?: RetryBudget;
  readonly dstOverrides?: readonly { readonly authority: string; readonly weight: number | string }[];
  readonly opaquePorts?: readonly string[];
}
export type ServiceProfile = KubeObject<ServiceProfileSpec>;
