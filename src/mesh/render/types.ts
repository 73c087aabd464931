/** What rendering takes and gives. */

/** Who asks. Namespace and service account come from its credential, the rest from its node metadata. */
export interface ProxyNode {
  readonly id: string;
  /**
   * Explicit mode: forward proxy, inbound per port, mesh port. `envoy`: a stock Envoy that an agent started. `grpc`: a
   * gRPC client or server without a proxy; its maps answer for names, and are empty to whoever looks at all of them.
   */
  readonly kind: "weft" | "envoy" | "grpc";
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Name of its WorkloadEntry or pod; its services and ports come from the mesh. */
  readonly workload: string;
  /** Its own address, without port. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Connections come to it by redirect rules, not by proxy variables; `dual`: over IPv6 too. */
  readonly captured?: { readonly dual: boolean };
  /** What the proxy can do beyond the first release: `http2`. */
  readonly features: readonly string[];
}

export interface RenderedResource {
  readonly name: string;
  readonly typeUrl: string;
  /** Hash of the content: the same bytes have the same version. */
  readonly version: string;
  /** The encoded message, the value of the Any. The same object for every node that needs the same bytes. */
  readonly bytes: Uint8Array;
}

/** type URL -> name -> resource. The first four types are always present, the names only where they are asked for. */
export type Rendered = ReadonlyMap<string, ReadonlyMap<string, RenderedResource>>;

export const typeUrls = {
  cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
  endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
  listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
  route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
  nameTable: "type.googleapis.com/istio.networking.nds.v1.NameTable",
} as const;
