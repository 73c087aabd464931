/**
 * What manifests may ask for and Weft's own proxy does not carry out yet. It is left out of what that proxy is told
 * (it would refuse the resource), the object's status says so, and an Envoy beside an agent gets it. Take a line away
 * when the proxy takes the field.
 */

export type Feature =
  | "fault"
  | "cors"
  | "mirror"
  | "header-operators"
  | "retry-hosts"
  | "retry-localities"
  | "grpc-retry"
  | "retriable-headers"
  | "hash"
  | "warmup"
  | "locality-weights"
  | "keepalive"
  | "client-protocol"
  | "tls-origination"
  | "dns"
  | "local-rate-limit";

export const pendingInProxy: ReadonlySet<Feature> = new Set<Feature>([
  "fault",
  "cors",
  "mirror",
  "header-operators",
  "retry-hosts",
  "retry-localities",
  "grpc-retry",
  "retriable-headers",
  "hash",
  "warmup",
  "locality-weights",
  "keepalive",
  "client-protocol",
  "tls-origination",
  "dns",
  "local-rate-limit",
]);

/** True where a proxy of this kind is told of the feature. gRPC clients take what they know from the resources. */
export function carriesOut(kind: "weft" | "envoy" | "grpc", feature: Feature): boolean {
  return kind !== "weft" || !pendingInProxy.has(feature);
}
