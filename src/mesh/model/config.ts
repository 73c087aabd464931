/** Settings of the whole mesh. */
import type { LocalityBalancing } from "./policy.ts";
import type { RetryPolicy } from "./route.ts";

export interface AccessLog {
  /** `/dev/stdout` or a path; "" switches the log off. */
  readonly file: string;
  readonly encoding: "text" | "json";
  /** Format of text lines; "" means Envoy's default. */
  readonly text: string;
  /** Key -> format of JSON lines; empty means Istio's keys. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface MeshConfig {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly rootNamespace: string;
  /** Domain of service names, `cluster.local`. */
  readonly clusterDomain: string;
  /** Label of metrics: which cluster a workload is in. */
  readonly clusterId: string;
  /** What happens to hosts that the mesh does not know. */
  readonly outbound: "allow-any" | "registry-only";
  readonly accessLog: AccessLog;
  /** Pass `x-weft-reason` on to applications. */
  readonly explain: boolean;
  readonly connectTimeoutMs: number;
  /** Where no policy says otherwise. */
  readonly locality?: LocalityBalancing;
  /** Where a route is silent; attempts 0 switches it off. */
  readonly defaultRetries: RetryPolicy;
}
