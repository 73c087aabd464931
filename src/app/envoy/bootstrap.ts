/** The file that Envoy starts from: who it is, and the agent's sockets. Everything else comes by stream. */
import { envoyContract } from "../../mesh/render/index.ts";
import { limits } from "./limits.ts";

export interface BootstrapOptions {
  readonly node: { readonly id: string; readonly cluster: string };
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Unix sockets: the agent's, for configuration and secrets, and Envoy's own administration. */
  readonly agentSocket: string;
  readonly adminSocket: string;
}

const v3 = "V3";
const type = (name: string): string => `type.googleapis.com/${name}`;
const ads = { resource_api_version: v3, ads: {}, initial_fetch_timeout: "0s" };
const adsCluster = "xds-grpc";

/** Both streams end at the same socket; two clusters, as Istio names them, so that tools find them. */
function agentCluster(name: string, path: string) {
  const protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
    },
    typed_extension_protocol_options: {
      [protocol]: {
        "@type": type(protocol),
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

export function envoyBootstrap(options: BootstrapOptions): Readonly<Record<string, unknown>> {
  const { node, metadata, agentSocket, adminSocket } = options;
  return {
    node: { ...node, metadata },
    // 0600: whoever may write to it may change the proxy.
    admin: { address: { pipe: { path: adminSocket, mode: 0o600 } } },
    dynamic_resources: {
      ads_config: {
        api_type: "DELTA_GRPC",
        transport_api_version: v3,
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: adsCluster } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [adsCluster, envoyContract.secretsCluster].map((name) => agentCluster(name, agentSocket)),
    },
    bootstrap_extensions: [
      {
        name: "envoy.bootstrap.internal_listener",
        typed_config: { "@type": type("envoy.extensions.bootstrap.internal_listener.v3.InternalListener") },
      },
    ],
    layered_runtime: {
      layers: [
        {
          name: "weft",
          static_layer: {
            // Envoy's default refuses programs over 100 instructions: less than one long alternative of names.
            re2: { max_program_size: { error_level: 32_768, warn_level: 16_384 } },
          },
        },
      ],
    },
    overload_manager: {
      resource_monitors: [
        {
          name: "envoy.resource_monitors.global_downstream_max_connections",
          typed_config: {
            "@type": type(
              "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            ),
            max_active_downstream_connections: limits.maxConnections,
          },
        },
      ],
    },
  };
}
