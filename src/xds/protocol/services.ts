/** The discovery services: the aggregated one, and one for each type. */
import { typeUrl } from "./types.ts";

export interface DiscoveryService {
  /** The only type; undefined: all types on one stream. */
  readonly typeUrl: string | undefined;
  /** Method paths of the two variants. */
  readonly sotw: string;
  readonly delta: string;
}

function service(name: string, what: string, url: string | undefined): DiscoveryService {
  return {
    typeUrl: url,
    sotw: `/envoy.service.${name}/Stream${what}`,
    delta: `/envoy.service.${name}/Delta${what}`,
  };
}

export const aggregated = service(
  "discovery.v3.AggregatedDiscoveryService",
  "AggregatedResources",
  undefined,
);

export const discoveryServices: readonly DiscoveryService[] = [
  aggregated,
  service("cluster.v3.ClusterDiscoveryService", "Clusters", typeUrl.cluster),
  service("endpoint.v3.EndpointDiscoveryService", "Endpoints", typeUrl.endpoints),
  service("listener.v3.ListenerDiscoveryService", "Listeners", typeUrl.listener),
  service("route.v3.RouteDiscoveryService", "Routes", typeUrl.route),
  service("secret.v3.SecretDiscoveryService", "Secrets", typeUrl.secret),
];
