/** The bootstrap files of the benchmark: one text drives Envoy and Weft; only ports and file paths differ by role. */

export interface Certificates {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface Role {
  readonly listen: number;
  readonly upstream: number;
  readonly admin: number;
  /** Terminates mutual TLS downstream. */
  readonly tlsIn?: Certificates;
  /** Originates mutual TLS upstream. */
  readonly tlsOut?: Certificates;
}

const tlsCommon = (c: Certificates): object => ({
  tls_params: { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" },
  alpn_protocols: ["http/1.1"],
  tls_certificates: [{ certificate_chain: { filename: c.cert }, private_key: { filename: c.key } }],
  validation_context: {
    trusted_ca: { filename: c.ca },
    match_typed_subject_alt_names: [{ san_type: "URI", matcher: { prefix: "spiffe://cluster.local/" } }],
  },
});

const tlsType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

function transport(role: Role, side: "in" | "out"): object {
  const c = side === "in" ? role.tlsIn : role.tlsOut;
  if (!c) return {};
  const typed =
    side === "in"
      ? {
          "@type": `${tlsType}.DownstreamTlsContext`,
          require_client_certificate: true,
          common_tls_context: tlsCommon(c),
        }
      : {
          "@type": `${tlsType}.UpstreamTlsContext`,
          sni: "outbound_.80_._.bench.default.svc.cluster.local",
          common_tls_context: tlsCommon(c),
        };
  return { transport_socket: { name: "envoy.transport_sockets.tls", typed_config: typed } };
}

const manager = {
  "@type":
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  stat_prefix: "bench",
  route_config: {
    name: "bench",
    virtual_hosts: [
      {
        name: "all",
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, route: { cluster: "bench", timeout: "0s" } }],
      },
    ],
  },
  http_filters: [
    {
      name: "envoy.filters.http.router",
      typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    },
  ],
};

/** The bootstrap as JSON text: metrics, outlier detection and breakers are on. */
export function bootstrap(role: Role): string {
  const address = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });
  const limit = 4096;
  return JSON.stringify(
    {
      node: { id: "bench", cluster: "bench" },
      admin: { address: address(role.admin) },
      static_resources: {
        listeners: [
          {
            name: "bench",
            address: address(role.listen),
            filter_chains: [
              {
                filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }],
                ...transport(role, "in"),
              },
            ],
          },
        ],
        clusters: [
          {
            name: "bench",
            type: "STATIC",
            connect_timeout: "5s",
            circuit_breakers: {
              thresholds: [
                { max_connections: limit, max_pending_requests: limit, max_requests: limit, max_retries: 3 },
              ],
            },
            outlier_detection: {
              consecutive_5xx: 5,
              interval: "10s",
              base_ejection_time: "30s",
              max_ejection_percent: 50,
              // Envoy's statistical detection, which Weft has not: off, so that both do the same work.
              enforcing_success_rate: 0,
            },
            load_assignment: {
              cluster_name: "bench",
              endpoints: [{ lb_endpoints: [{ endpoint: { address: address(role.upstream) } }] }],
            },
            ...transport(role, "out"),
          },
        ],
      },
    },
    null,
    1,
  );
}

/** HAProxy beside: the same work, its own language. */
export function haproxyConfig(listen: number, upstream: number): string {
  return [
    "global",
    "  maxconn 4000",
    "  nbthread 1",
    "defaults",
    "  mode http",
    "  timeout connect 5s",
    "  timeout client 60s",
    "  timeout server 60s",
    "  http-reuse always",
    "frontend bench",
    `  bind 127.0.0.1:${listen}`,
    "  default_backend bench",
    "backend bench",
    `  server s1 127.0.0.1:${upstream}`,
    "",
  ].join("\n");
}
