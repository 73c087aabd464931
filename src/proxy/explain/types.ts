/** What would happen to a request, step by step, each with the object that decided it. */
import type { ClusterConfig, EndpointsConfig, Owner, RouteTableConfig } from "../config/index.ts";

/** What the explanation reads; an agent's tables are one of these. */
export interface ExplainTables {
  readonly routes: ReadonlyMap<string, RouteTableConfig>;
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  readonly endpoints: ReadonlyMap<string, EndpointsConfig>;
  /** True while the endpoint at this slot of the shared table is ejected; absent: nobody knows. */
  readonly ejected?: (slot: number) => boolean;
}

export interface ExplainRequest {
  /** Name of the route table that the listener uses: `http_proxy`. */
  readonly routeTable: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** As the caller writes it, with or without port. */
  readonly authority: string;
  /** Flat: name, value, ...; names in lower case. */
  readonly headers: readonly string[];
}

export interface HostStep {
  readonly name: string;
  /** The domain that matched: `reviews`, `*`. */
  readonly domain: string;
  readonly owner?: Owner;
}

export interface SkippedRoute {
  readonly index: number;
  readonly name: string;
  /** The first conditions that failed: `header end-user is absent, wanted exactly jason`. */
  readonly reasons: readonly string[];
  readonly owner?: Owner;
}

export interface RouteStep {
  readonly index: number;
  readonly name: string;
  /** What it asks for, in words. */
  readonly match: readonly string[];
  readonly owner?: Owner;
}

export interface EndpointStep {
  readonly address: string;
  readonly workload: string;
  readonly version: string;
  readonly weight: number;
  readonly priority: number;
  /** `takes requests`, `unhealthy`, `ejected`. */
  readonly state: "takes requests" | "unhealthy" | "ejected";
  readonly transport: "mutual TLS" | "TLS" | "plaintext";
}

export interface ClusterStep {
  readonly name: string;
  /** Share of the requests, 0 to 1. */
  readonly share: number;
  /** False: requests to it answer 503 NC. */
  readonly exists: boolean;
  /** `dynamic`: the authority is the address; `empty`: requests answer 503. */
  readonly discovery?: ClusterConfig["discovery"];
  readonly lb?: ClusterConfig["lb"];
  readonly endpoints: readonly EndpointStep[];
  /** Identities accepted of the server, one of them must match; empty where it is not asked for any. */
  readonly identities: readonly string[];
  readonly breaker?: ClusterConfig["breaker"];
  readonly outlier?: ClusterConfig["outlier"];
  readonly owner?: Owner;
}

export type Outcome =
  | {
      readonly kind: "route";
      readonly clusters: readonly ClusterStep[];
      /** 0: none. */
      readonly timeoutMs: number;
      readonly retry?: {
        readonly retryOn: readonly string[];
        readonly numRetries: number;
        readonly perTryTimeoutMs: number;
        readonly budget?: { readonly ratio: number; readonly minPerSecond: number; readonly ttlMs: number };
        /** False: this request's method or headers exclude it. */
        readonly applies: boolean;
      };
    }
  | { readonly kind: "redirect"; readonly code: number; readonly to: string }
  | { readonly kind: "direct"; readonly status: number; readonly body: string }
  /** No virtual host or route: 404 with flag NR. */
  | { readonly kind: "none"; readonly status: 404; readonly flag: "NR"; readonly reason: string };

export interface Explanation {
  readonly routeTable: string;
  readonly host?: HostStep;
  /** Routes before the one that matched, in order. */
  readonly skipped: readonly SkippedRoute[];
  readonly route?: RouteStep;
  readonly outcome: Outcome;
}
