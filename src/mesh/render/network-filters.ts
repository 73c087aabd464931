/** Filters of connections, and what looks at them before a filter chain is chosen. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import type {
  FilterSchema,
  ListenerFilterSchema,
} from "../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import { HttpInspectorSchema } from "../../proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js";
import { OriginalDstSchema } from "../../proto/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js";
import { TlsInspectorSchema } from "../../proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js";
import { TcpProxySchema } from "../../proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import type { MeshConfig } from "../model/index.ts";
import { accessLogs } from "./http-manager.ts";

type ListenerFilterInit = MessageInitShape<typeof ListenerFilterSchema>;

/** All bytes to one cluster. */
export function tcpProxy(
  statPrefix: string,
  cluster: string,
  config: MeshConfig,
): MessageInitShape<typeof FilterSchema> {
  const proxy = create(TcpProxySchema, {
    statPrefix,
    clusterSpecifier: { case: "cluster", value: cluster },
    accessLog: accessLogs(config.accessLog),
  });
  return {
    name: "envoy.filters.network.tcp_proxy",
    configType: { case: "typedConfig", value: anyPack(TcpProxySchema, proxy) },
  };
}

const filter = (name: string, value: Any): ListenerFilterInit => ({
  name: `envoy.filters.listener.${name}`,
  configType: { case: "typedConfig", value },
});

export const inspectors = {
  originalDst: filter("original_dst", anyPack(OriginalDstSchema, create(OriginalDstSchema))),
  tls: filter("tls_inspector", anyPack(TlsInspectorSchema, create(TlsInspectorSchema))),
  http: filter("http_inspector", anyPack(HttpInspectorSchema, create(HttpInspectorSchema))),
} as const;
