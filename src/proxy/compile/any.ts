/** Unpacks the extensions that Weft understands; each Any is decoded once. */
import { createRegistry, type Message, type Registry } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { FileAccessLogSchema } from "../../proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js";
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from "../../proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js";
import { ClusterConfigSchema } from "../../proto/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js";
import { FilterConfigSchema } from "../../proto/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js";
import { RouterSchema } from "../../proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpInspectorSchema } from "../../proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js";
import { OriginalDstSchema } from "../../proto/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js";
import { TlsInspectorSchema } from "../../proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js";
import { HttpConnectionManagerSchema } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { TcpProxySchema } from "../../proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { LeastRequestSchema } from "../../proto/gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js";
import { RoundRobinSchema } from "../../proto/gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js";
import { RawBufferSchema } from "../../proto/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js";
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { HttpProtocolOptionsSchema } from "../../proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";

/** Types that may stand in an Any; also what protobuf's JSON form (`@type`) needs. */
export const extensionRegistry: Registry = createRegistry(
  FileAccessLogSchema,
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
  ClusterConfigSchema,
  FilterConfigSchema,
  RouterSchema,
  HttpInspectorSchema,
  OriginalDstSchema,
  TlsInspectorSchema,
  HttpConnectionManagerSchema,
  TcpProxySchema,
  LeastRequestSchema,
  RoundRobinSchema,
  RawBufferSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
  HttpProtocolOptionsSchema,
);

const unpacked = new WeakMap<Any, Message>();

/** The message inside; a string says why there is none. */
export function unpackAny(any: Any): Message | string {
  const known = unpacked.get(any);
  if (known) return known;
  const name = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
  if (!extensionRegistry.getMessage(name)) return `type ${any.typeUrl || "(empty)"} is not supported`;
  try {
    const message = anyUnpack(any, extensionRegistry);
    if (!message) return `type ${any.typeUrl} is not supported`;
    unpacked.set(any, message);
    return message;
  } catch (e) {
    return `does not decode as ${any.typeUrl}: ${e instanceof Error ? e.message : String(e)}`;
  }
}
