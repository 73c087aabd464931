/** Conditions on a request. */
import type { Origin } from "./ref.ts";

/** Regex: RE2 syntax, must match the whole string. */
export interface StringMatch {
  readonly kind: "exact" | "prefix" | "regex";
  readonly value: string;
}

export interface HeaderMatch {
  /** Lower case; `:method`, `:authority`, `:scheme` are allowed. */
  readonly name: string;
  readonly match: StringMatch | { readonly kind: "present" };
  /** True: the request must not match (an absent header then passes). */
  readonly invert: boolean;
}

export interface QueryMatch {
  readonly name: string;
  readonly match: StringMatch | { readonly kind: "present" };
}

/** All of it must hold. Paths exclude the query string. */
export interface RequestMatch {
  readonly path?: StringMatch;
  readonly ignorePathCase: boolean;
  /** Further conditions on the same path; from combining two dialects on one host. */
  readonly morePaths: readonly StringMatch[];
  readonly headers: readonly HeaderMatch[];
  readonly query: readonly QueryMatch[];
  /** The port that the client called; absent: any. */
  readonly port?: number;
  /** Only for callers with these labels, in this namespace. */
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
  /** Added to the rule's in names of routes. */
  readonly name?: string;
  /** Prefix of statistics. */
  readonly statPrefix?: string;
  readonly origin: Origin;
}
