/** gRPC's xDS bootstrap file, GRPC_XDS_BOOTSTRAP (gRFC A27, A29, A36). */
import { certificateProvider, serverListenerTemplate } from "../../mesh/render/index.ts";
import type { CertificatePaths } from "./certificate-files.ts";
import { limits } from "./limits.ts";

export interface BootstrapOptions {
  readonly node: { readonly id: string; readonly cluster: string };
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Path of the relay's Unix socket. */
  readonly socket: string;
  readonly certificates: CertificatePaths;
}

/** Istio's key of node metadata. */
export const generatorMetadata = { GENERATOR: "grpc" } as const;

export function grpcBootstrap({ node, metadata, socket, certificates }: BootstrapOptions): unknown {
  // The library is no Weft: its own name and version are what `weft proxy-status` shows of its stream.
  const { WEFT_VERSION: _, ...told } = metadata;
  return {
    xds_servers: [
      {
        server_uri: `unix:${socket}`,
        // Behind the socket is mutual TLS; not every library can do that to its xDS server itself.
        channel_creds: [{ type: "insecure" }],
        server_features: ["xds_v3"],
      },
    ],
    node: { ...node, metadata: { ...told, ...generatorMetadata }, locality: {} },
    certificate_providers: {
      [certificateProvider]: {
        plugin_name: "file_watcher",
        config: {
          certificate_file: certificates.certificate,
          private_key_file: certificates.key,
          ca_certificate_file: certificates.roots,
          refresh_interval: `${limits.refreshSeconds}s`,
        },
      },
    },
    server_listener_resource_name_template: serverListenerTemplate,
  };
}
