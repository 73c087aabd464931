/** Kinds that Weft itself reads and writes, in the version it asks for. */
import type { KindRef } from "./types.ts";

const core = (kind: string, plural: string, namespaced = true): KindRef => ({
  group: "",
  version: "v1",
  kind,
  plural,
  namespaced,
});
const of = (group: string, version: string, kind: string, plural: string): KindRef => ({
  group,
  version,
  kind,
  plural,
  namespaced: true,
});

export const refs = {
  namespace: core("Namespace", "namespaces", false),
  service: core("Service", "services"),
  serviceAccount: core("ServiceAccount", "serviceaccounts"),
  secret: core("Secret", "secrets"),
  configMap: core("ConfigMap", "configmaps"),
  event: core("Event", "events"),
  pod: core("Pod", "pods"),
  lease: of("coordination.k8s.io", "v1", "Lease", "leases"),
  endpointSlice: of("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
  virtualService: of("networking.istio.io", "v1", "VirtualService", "virtualservices"),
  destinationRule: of("networking.istio.io", "v1", "DestinationRule", "destinationrules"),
  serviceEntry: of("networking.istio.io", "v1", "ServiceEntry", "serviceentries"),
  sidecar: of("networking.istio.io", "v1", "Sidecar", "sidecars"),
  workloadEntry: of("networking.istio.io", "v1", "WorkloadEntry", "workloadentries"),
  peerAuthentication: of("security.istio.io", "v1", "PeerAuthentication", "peerauthentications"),
  rateLimit: of("weft.dev", "v1alpha1", "RateLimit", "ratelimits"),
  serviceProfile: of("linkerd.io", "v1alpha2", "ServiceProfile", "serviceprofiles"),
} as const satisfies Readonly<Record<string, KindRef>>;
