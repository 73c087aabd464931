/** The whole: what every proxy's configuration is derived from. Frozen once built, lists sorted. */
import type { MeshConfig } from "./config.ts";
import type { DestinationPolicy } from "./policy.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { HostRoutes } from "./route.ts";
import type { SidecarScope } from "./scope.ts";
import type { Service, Workload } from "./service.ts";

export interface Mesh {
  readonly config: MeshConfig;
  /** Sorted by host. */
  readonly services: readonly Service[];
  /** Sorted by key. */
  readonly workloads: readonly Workload[];
  /** Routes of an object for a host; of several that a caller sees the first in the list decides. */
  readonly routes: readonly HostRoutes[];
  /** Per-request rules that refine `routes` (profiles): matched first, destinations left to the routes. */
  readonly profiles: readonly HostRoutes[];
  /** Of several that a caller sees the first in the list decides. */
  readonly policies: readonly DestinationPolicy[];
  readonly rateLimits: readonly RateLimit[];
  /** Of several for one workload the first in the list decides. */
  readonly scopes: readonly SidecarScope[];
}
