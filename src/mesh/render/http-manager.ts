/** The HTTP connection manager and the access log. */
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import type { AccessLogSchema } from "../../proto/gen/envoy/config/accesslog/v3/accesslog_pb.js";
import type { SubstitutionFormatStringSchema } from "../../proto/gen/envoy/config/core/v3/substitution_format_string_pb.js";
import type { FilterSchema } from "../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import { FileAccessLogSchema } from "../../proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js";
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from "../../proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js";
import { FilterConfigSchema } from "../../proto/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js";
import { RouterSchema } from "../../proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js";
import {
  HttpConnectionManager_ServerHeaderTransformation,
  HttpConnectionManagerSchema,
} from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { AccessLog, MeshConfig } from "../model/index.ts";
import { dnsCache } from "./dns.ts";
import { forwardFilters, forwardReplies } from "./envoy.ts";

/** Keys of Istio's JSON access log. */
const istioFields: JsonObject = {
  start_time: "%START_TIME%",
  method: "%REQ(:METHOD)%",
  path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
  protocol: "%PROTOCOL%",
  response_code: "%RESPONSE_CODE%",
  response_flags: "%RESPONSE_FLAGS%",
  response_code_details: "%RESPONSE_CODE_DETAILS%",
  connection_termination_details: "%CONNECTION_TERMINATION_DETAILS%",
  upstream_transport_failure_reason: "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
  bytes_received: "%BYTES_RECEIVED%",
  bytes_sent: "%BYTES_SENT%",
  duration: "%DURATION%",
  upstream_service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
  x_forwarded_for: "%REQ(X-FORWARDED-FOR)%",
  user_agent: "%REQ(USER-AGENT)%",
  request_id: "%REQ(X-REQUEST-ID)%",
  authority: "%REQ(:AUTHORITY)%",
  upstream_host: "%UPSTREAM_HOST%",
  upstream_cluster: "%UPSTREAM_CLUSTER%",
  upstream_local_address: "%UPSTREAM_LOCAL_ADDRESS%",
  downstream_local_address: "%DOWNSTREAM_LOCAL_ADDRESS%",
  downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%",
  requested_server_name: "%REQUESTED_SERVER_NAME%",
  route_name: "%ROUTE_NAME%",
};

type ManagerInit = MessageInitShape<typeof HttpConnectionManagerSchema>;
type FilterInit = MessageInitShape<typeof FilterSchema>;

export function httpManager(
  config: MeshConfig,
  options: {
    readonly statPrefix: string;
    readonly routes: NonNullable<ManagerInit["routeSpecifier"]>;
    /** Hosts outside the mesh are resolved by name, CONNECT is taken (`tunnel`: it is what is within one). */
    readonly forwardProxy: boolean | "tunnel";
    /** For Envoy, which asks for the forward proxy's credential by a filter. */
    readonly envoy?: boolean;
    /** Before the router. */
    readonly filters?: HttpFilterInit[];
  },
): FilterInit {
  // Upgrades within a connection (WebSocket) are not carried by Weft's proxy yet.
  const upgrades = options.forwardProxy === true ? ["CONNECT"] : [];
  const asks = options.envoy === true && options.forwardProxy === true;
  const manager: ManagerInit = {
    statPrefix: options.statPrefix,
    routeSpecifier: options.routes,
    httpFilters: [
      ...(asks ? forwardFilters() : []),
      ...(options.filters ?? []),
      ...(options.forwardProxy === false ? [] : [dynamicForwardProxy()]),
      router(),
    ],
    ...(asks && { localReplyConfig: forwardReplies }),
    // The application's own server header is passed on: no change to applications.
    serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
    normalizePath: true,
    upgradeConfigs: upgrades.map((upgradeType) => ({ upgradeType })),
    accessLog: accessLogs(config.accessLog),
  };
  return {
    name: "envoy.filters.network.http_connection_manager",
    configType: {
      case: "typedConfig",
      value: anyPack(HttpConnectionManagerSchema, create(HttpConnectionManagerSchema, manager)),
    },
  };
}

type HttpFilterInit = NonNullable<ManagerInit["httpFilters"]>[number];

function router(): HttpFilterInit {
  return {
    name: "envoy.filters.http.router",
    configType: { case: "typedConfig", value: anyPack(RouterSchema, create(RouterSchema)) },
  };
}

function dynamicForwardProxy(): HttpFilterInit {
  const config = create(FilterConfigSchema, {
    implementationSpecifier: { case: "dnsCacheConfig", value: dnsCache },
  });
  return {
    name: "envoy.filters.http.dynamic_forward_proxy",
    configType: { case: "typedConfig", value: anyPack(FilterConfigSchema, config) },
  };
}

export function accessLogs(log: AccessLog): MessageInitShape<typeof AccessLogSchema>[] {
  if (log.file === "") return [];
  const logFormat = formatOf(log);
  const format = logFormat && { accessLogFormat: { case: "logFormat" as const, value: logFormat } };
  const entry = (name: string, value: Any): MessageInitShape<typeof AccessLogSchema> => ({
    name: `envoy.access_loggers.${name}`,
    configType: { case: "typedConfig", value },
  });
  if (log.file === "/dev/stdout")
    return [entry("stdout", anyPack(StdoutAccessLogSchema, create(StdoutAccessLogSchema, format)))];
  if (log.file === "/dev/stderr")
    return [entry("stderr", anyPack(StderrAccessLogSchema, create(StderrAccessLogSchema, format)))];
  const file = create(FileAccessLogSchema, { path: log.file, ...format });
  return [entry("file", anyPack(FileAccessLogSchema, file))];
}

/** Undefined: Envoy's default text. */
function formatOf(log: AccessLog): MessageInitShape<typeof SubstitutionFormatStringSchema> | undefined {
  if (log.encoding === "json") {
    const fields: JsonObject = Object.keys(log.fields).length > 0 ? { ...log.fields } : istioFields;
    return { format: { case: "jsonFormat", value: fields } };
  }
  if (log.text === "") return undefined;
  const inlineString = log.text.endsWith("\n") ? log.text : `${log.text}\n`;
  return {
    format: {
      case: "textFormatSource",
      value: { specifier: { case: "inlineString", value: inlineString } },
    },
  };
}
