/** How connections to a service are made, shared and given up. */
import type { Origin, Visibility } from "./ref.ts";

/** Absent numbers mean the mesh's default. Times in milliseconds. */
export interface ConnectionPool {
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  readonly maxPendingRequests?: number;
  readonly maxRequests?: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection?: number;
  readonly maxRetries?: number;
  readonly idleTimeoutMs?: number;
  /** Of connections whatever they carry. */
  readonly maxConnectionDurationMs?: number;
  /** Of connections that are no HTTP. */
  readonly tcpIdleTimeoutMs?: number;
  readonly keepalive?: { readonly probes?: number; readonly timeMs?: number; readonly intervalMs?: number };
  /** Requests at a time on one HTTP/2 connection. */
  readonly maxConcurrentStreams?: number;
  /** The version of HTTP that the caller speaks is spoken on. */
  readonly useClientProtocol?: boolean;
  /** HTTP/2 to the other sidecar is asked for, whatever the application speaks. */
  readonly upgrade?: boolean;
  readonly origin: Origin;
}

/** Passive ejection of failing endpoints. 0 switches a detector off; absent means the default. */
export interface OutlierPolicy {
  readonly consecutive5xx?: number;
  readonly consecutiveGatewayErrors?: number;
  readonly consecutiveLocalOriginFailures?: number;
  readonly splitLocalOrigin: boolean;
  readonly intervalMs?: number;
  readonly baseEjectionMs?: number;
  readonly maxEjectionPercent?: number;
  readonly minHealthPercent?: number;
  readonly origin: Origin;
}

/** What a request is hashed by. */
export type HashKey =
  | { readonly by: "header" | "query"; readonly name: string }
  | { readonly by: "source" }
  | {
      readonly by: "cookie";
      readonly name: string;
      readonly path: string;
      /** Absent: the cookie is never made. 0: it lives as long as the session. */
      readonly ttlMs?: number;
      readonly attributes: readonly { readonly name: string; readonly value: string }[];
    };

/** New endpoints get little at first. */
export interface Warmup {
  readonly durationMs: number;
  readonly minimumPercent: number;
  readonly aggression: number;
}

/** passthrough: to where the caller meant to go, without balancing. */
export interface LoadBalancing {
  readonly kind: "least-request" | "round-robin" | "random" | "passthrough" | "ring-hash" | "maglev";
  readonly hash?: HashKey;
  /** Entries of the ring at least, or of the table. */
  readonly size?: number;
  readonly warmup?: Warmup;
  readonly origin: Origin;
}

/** Where requests go by the caller's and the endpoints' places. Patterns are `region/zone/subzone` with `*`. */
export interface LocalityBalancing {
  readonly enabled: boolean;
  readonly distribute: readonly { readonly from: string; readonly to: Readonly<Record<string, number>> }[];
  readonly failover: readonly { readonly from: string; readonly to: string }[];
  /** Labels, the most important first; `key` or `key=value`. */
  readonly failoverPriority: readonly string[];
  readonly origin: Origin;
}

/**
 * mesh: mutual TLS of the mesh. plain: none. simple, mutual: TLS to something outside it. auto (absent): what each
 * endpoint can.
 */
export interface UpstreamSecurity {
  readonly kind: "mesh" | "plain" | "simple" | "mutual";
  /** Of the client; with `mutual`. Paths on the proxy's machine. */
  readonly certificate?: { readonly chain: string; readonly key: string };
  /** Roots; absent: the system's. */
  readonly roots?: string;
  readonly revoked?: string;
  /** The server is believed unproven. */
  readonly unverified?: boolean;
  /** Further names accepted beside the endpoints' identities. */
  readonly subjectAltNames: readonly string[];
  readonly sni?: string;
  readonly origin: Origin;
}

export interface TrafficPolicy {
  readonly pool?: ConnectionPool;
  readonly outlier?: OutlierPolicy;
  readonly balancing?: LoadBalancing;
  readonly security?: UpstreamSecurity;
  readonly locality?: LocalityBalancing;
  /** Retries at a time, as a share of the requests. */
  readonly retryBudget?: {
    readonly percent: number;
    readonly minConcurrency: number;
    readonly origin: Origin;
  };
}

/** A part of a service's endpoints: those that carry all of the labels. */
export interface Subset {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly policy: TrafficPolicy;
  /** Replaces the policy for one port. */
  readonly ports: Readonly<Record<number, TrafficPolicy>>;
  readonly origin: Origin;
}

export interface DestinationPolicy {
  /** Lower case: a service's host name or `*.suffix`. */
  readonly host: string;
  readonly namespace: string;
  readonly visibility: Visibility;
  /** Only for callers with these labels (of the policy's namespace). */
  readonly callerLabels?: Readonly<Record<string, string>>;
  readonly policy: TrafficPolicy;
  readonly ports: Readonly<Record<number, TrafficPolicy>>;
  readonly subsets: readonly Subset[];
  readonly origin: Origin;
}
