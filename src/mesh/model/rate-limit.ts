/** How much a service takes, told by the ones who give: each of its instances counts for itself. */
import type { RequestMatch } from "./match.ts";
import type { Origin } from "./ref.ts";

/** A bucket of tokens: `requests` are put in every `perMs`, up to `burst`. */
export interface RateLimitRule {
  readonly name: string;
  readonly requests: number;
  readonly perMs: number;
  readonly burst: number;
  /** Any one must hold; empty: every request. Each request counts for the first rule that it meets. */
  readonly matches: readonly RequestMatch[];
  readonly origin: Origin;
}

export interface RateLimit {
  /** A service's. */
  readonly host: string;
  readonly rules: readonly RateLimitRule[];
  readonly origin: Origin;
}
