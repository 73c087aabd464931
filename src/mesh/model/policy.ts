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

export interface LoadBalancing {
  readonly kind: "least-request" | "round-robin" | "random";
  readonly origin: Origin;
}

/** mesh: mutual TLS of the mesh. plain: none. auto (absent): what each endpoint can. */
export interface UpstreamSecurity {
  readonly kind: "mesh" | "plain";
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
  readonly policy: TrafficPolicy;
  readonly ports: Readonly<Record<number, TrafficPolicy>>;
  readonly subsets: readonly Subset[];
  readonly origin: Origin;
}
