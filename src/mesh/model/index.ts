/** The mesh as it is meant: services, routes, policies, identities. No Kubernetes and no Envoy names. */
export { checkMesh } from "./check.ts";
export { bothMatch, covers, never } from "./combine.ts";
export type { AccessLog, MeshConfig } from "./config.ts";
export { carriesOut, type Feature, pendingInProxy } from "./feature.ts";
export {
  carries,
  entryFor,
  hostMatches,
  type PolicyQuestion,
  policyFor,
  type Scopes,
  scopesOf,
  subsetOf,
} from "./lookup.ts";
export type { HeaderMatch, QueryMatch, RequestMatch, StringMatch } from "./match.ts";
export type { Mesh } from "./mesh.ts";
export type {
  ConnectionPool,
  DestinationPolicy,
  HashKey,
  LoadBalancing,
  LocalityBalancing,
  OutlierPolicy,
  Subset,
  TrafficPolicy,
  UpstreamSecurity,
  Warmup,
} from "./policy.ts";
export type { RateLimit, RateLimitRule } from "./rate-limit.ts";
export { type ObjectRef, type Origin, refName, type Visibility, visibleTo } from "./ref.ts";
export {
  type CorsPolicy,
  type Destination,
  type Fault,
  type GrpcRetryReason,
  type HeaderChange,
  type HeaderChanges,
  type HostRoutes,
  type Mirror,
  noHeaderChanges,
  type RetryBudget,
  type RetryPolicy,
  type RetryReason,
  type Rewrite,
  type RouteAction,
  type RouteRule,
  type Share,
  wholeShare,
} from "./route.ts";
export { inScope, type SidecarScope, scopeFor, sees } from "./scope.ts";
export { type MtlsMode, type MtlsRule, mtlsFor, type WorkloadAuthentication } from "./security.ts";
export {
  type Endpoint,
  isHttp,
  type Protocol,
  type Service,
  type ServicePort,
  type Workload,
} from "./service.ts";
