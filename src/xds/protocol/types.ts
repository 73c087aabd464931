/** What server and client share: nodes, resources, type URLs. */

/** From envoy.config.core.v3.Node; what a peer says of itself, never trusted for identity. */
export interface NodeInfo {
  readonly id: string;
  readonly cluster: string;
  /** `weft`, `envoy`, `gRPC Go`, ... */
  readonly userAgent: string;
  readonly metadata: NodeMetadata;
  /** From the credential (token or client certificate), never from metadata. */
  readonly principal?: { readonly namespace: string; readonly serviceAccount: string } | undefined;
}

/** Node.metadata as plain JSON. */
export type NodeMetadata = Readonly<Record<string, unknown>>;

/** A resource encoded once and shared by everyone who needs the same bytes: never mutate `bytes`. */
export interface EncodedResource {
  readonly name: string;
  readonly typeUrl: string;
  /** Changes when and only when the bytes do. */
  readonly version: string;
  /** The encoded message (value of the Any). */
  readonly bytes: Uint8Array;
}

/** A map of all resources of the type that the client could have. */
export type Resources = ReadonlyMap<string, EncodedResource>;

export const typeUrl = {
  cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
  endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
  listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
  route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
  /** Istio's; what the DNS of a captured workload knows. */
  nameTable: "type.googleapis.com/istio.networking.nds.v1.NameTable",
  secret: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
} as const;

/**
 * Make before break (xDS "eventual consistency considerations"): clusters and their endpoints are there
 * before listeners and routes name them.
 */
export const pushOrder: readonly string[] = [
  typeUrl.cluster,
  typeUrl.endpoints,
  typeUrl.listener,
  typeUrl.route,
];

/** `CDS`, `EDS`, `LDS`, `RDS`, `SDS`; other types by the last word of the URL. */
export function shortTypeName(url: string): string {
  switch (url) {
    case typeUrl.cluster:
      return "CDS";
    case typeUrl.endpoints:
      return "EDS";
    case typeUrl.listener:
      return "LDS";
    case typeUrl.route:
      return "RDS";
    case typeUrl.secret:
      return "SDS";
    case typeUrl.nameTable:
      return "NDS";
    default:
      return url.slice(url.lastIndexOf(".") + 1);
  }
}

/** A NACK as the server understood it. */
export interface Nack {
  /** Resources of the refused response that the message names; all of them where it names none. */
  readonly names: readonly string[];
  readonly message: string;
}
