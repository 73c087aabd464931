/** Configuration sources of Envoy's bootstrap: aggregated and single streams, files. */
export { type Discovery, type DiscoveryOptions, startDiscovery } from "./discovery.ts";
export { fetchMs } from "./limits.ts";
export { grpcSource, sourceOf, timedSource } from "./source.ts";
export { targetOf } from "./target.ts";
export type { DiscoveryConfig, GrpcSource, Source, Target, TargetTls, TimedSource } from "./types.ts";
