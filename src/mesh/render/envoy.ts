/**
 * What a stock Envoy beside an agent is told of things that Weft's proxy does by itself: the credential of the forward
 * proxy, HTTP within a CONNECT tunnel, peer metadata, secrets from the agent's socket.
 */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ComparisonFilter_Op } from "../../proto/gen/envoy/config/accesslog/v3/accesslog_pb.js";
import {
  Cluster_DiscoveryType,
  type ClusterSchema,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { HeaderValueOption_HeaderAppendAction } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import {
  ApiConfigSource_ApiType,
  ApiVersion,
  type ConfigSourceSchema,
} from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import type { FilterSchema } from "../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { FilterStateValue_SharedWithUpstream } from "../../proto/gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js";
import { BasicAuthSchema } from "../../proto/gen/envoy/extensions/filters/http/basic_auth/v3/basic_auth_pb.js";
import { ConfigSchema as SetFilterStateSchema } from "../../proto/gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.js";
import { HttpInspectorSchema } from "../../proto/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js";
import type {
  HttpFilterSchema,
  LocalReplyConfigSchema,
} from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { TcpProxySchema } from "../../proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { InternalUpstreamTransportSchema } from "../../proto/gen/envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream_pb.js";
import type { Service } from "../model/index.ts";
import { blackHoleCluster } from "./names.ts";
import { plaintext } from "./tls.ts";
import { duration } from "./values.ts";

/**
 * The contract with the agent that starts Envoy: variables of Envoy's environment and the cluster of its bootstrap
 * that leads to the agent's secrets. app/envoy fills them.
 */
export const envoyContract = {
  /** The agent says so of its node. */
  metadataKey: "WEFT_PROXY",
  metadataValue: "envoy",
  secretsCluster: "sds-grpc",
  /** htpasswd lines with the credential of the forward proxy. */
  usersVariable: "WEFT_PROXY_USERS",
  peerVariable: "WEFT_PEER_METADATA",
  peerIdVariable: "WEFT_PEER_METADATA_ID",
} as const;

/** Listener and cluster of HTTP within CONNECT; never leaves the process. */
export const tunnelName = "connect_tunnel";
/** basic_auth fills it; tells its own 401 from one that a route answers. */
const userHeader = "x-weft-proxy-user";
const peerHeaders = ["x-envoy-peer-metadata", "x-envoy-peer-metadata-id"];
const reasonHeader = "x-weft-reason";

/** Filter state that tcp_proxy takes its cluster from. */
const tcpClusterKey = "envoy.tcp_proxy.cluster";
const setFilterState = "envoy.filters.http.set_filter_state";

type HttpFilterInit = MessageInitShape<typeof HttpFilterSchema>;

function packed<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, init) as MessageShape<D>);
}

const typed = <D extends DescMessage>(schema: D, init: MessageInitShape<D>) => ({
  case: "typedConfig" as const,
  value: packed(schema, init),
});

/** Secrets over the agent's Unix socket: keys never pass through the control plane. */
export const agentSecrets: MessageInitShape<typeof ConfigSourceSchema> = {
  resourceApiVersion: ApiVersion.V3,
  initialFetchTimeout: duration(0),
  configSourceSpecifier: {
    case: "apiConfigSource",
    value: {
      apiType: ApiConfigSource_ApiType.DELTA_GRPC,
      transportApiVersion: ApiVersion.V3,
      setNodeOnFirstMessageOnly: true,
      grpcServices: [
        { targetSpecifier: { case: "envoyGrpc", value: { clusterName: envoyContract.secretsCluster } } },
      ],
    },
  },
};

/** The password, and the place where CONNECT routes say where their bytes go if they are not HTTP. */
export function forwardFilters(): HttpFilterInit[] {
  return [
    {
      name: "envoy.filters.http.basic_auth",
      configType: typed(BasicAuthSchema, {
        users: { specifier: { case: "environmentVariable", value: envoyContract.usersVariable } },
        authenticationHeader: "proxy-authorization",
        forwardUsernameHeader: userHeader,
      }),
    },
    { name: setFilterState, configType: typed(SetFilterStateSchema, {}) },
  ];
}

/** basic_auth answers as an origin would (401); a proxy says 407. */
export const forwardReplies: MessageInitShape<typeof LocalReplyConfigSchema> = {
  mappers: [
    {
      filter: {
        filterSpecifier: {
          case: "andFilter",
          value: {
            filters: [
              {
                filterSpecifier: {
                  case: "statusCodeFilter",
                  value: {
                    comparison: {
                      op: ComparisonFilter_Op.EQ,
                      value: { defaultValue: 401, runtimeKey: "weft.proxy_credential_status" },
                    },
                  },
                },
              },
              {
                filterSpecifier: {
                  case: "headerFilter",
                  value: {
                    header: {
                      name: userHeader,
                      headerMatchSpecifier: { case: "presentMatch", value: true },
                      invertMatch: true,
                    },
                  },
                },
              },
            ],
          },
        },
      },
      statusCode: 407,
      body: { specifier: { case: "inlineString", value: "proxy authentication required" } },
      headersToAdd: [
        {
          header: { key: "proxy-authenticate", value: 'Basic realm="weft"' },
          appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
        },
      ],
    },
  ],
};

/** Fields that concern the mesh only, at the level of a whole table. */
export const outboundFields = {
  requestHeadersToRemove: ["proxy-authorization", userHeader, reasonHeader],
  responseHeadersToRemove: [reasonHeader, ...peerHeaders],
};
export const inboundFields = {
  requestHeadersToRemove: [...peerHeaders, reasonHeader],
  responseHeadersToRemove: [reasonHeader, ...peerHeaders],
};
export const outsideFields = { requestHeadersToRemove: peerHeaders };

/** Who calls, for the metrics of the callee's proxy; only where every endpoint has one that takes it off again. */
export function peerFields(service: Service, sidecarOf: (workload: string) => boolean) {
  const everywhere = service.ports.every((p) => p.endpoints.every((e) => sidecarOf(e.workload)));
  if (!everywhere) return outsideFields;
  const variables = [envoyContract.peerVariable, envoyContract.peerIdVariable];
  return {
    requestHeadersToAdd: peerHeaders.map((key, i) => ({
      header: { key, value: `%ENVIRONMENT(${variables[i]})%` },
      appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    })),
  };
}

/** For a CONNECT route into the tunnel: what is not HTTP goes to this cluster. */
export function tunnelTarget(cluster: string): { readonly [filter: string]: Any } {
  return {
    [setFilterState]: packed(SetFilterStateSchema, {
      onRequestHeaders: [
        {
          key: { case: "objectKey", value: tcpClusterKey },
          value: {
            case: "formatString",
            value: {
              format: {
                case: "textFormatSource",
                value: { specifier: { case: "inlineString", value: cluster.replaceAll("%", "%%") } },
              },
            },
          },
          sharedWithUpstream: FilterStateValue_SharedWithUpstream.ONCE,
        },
      ],
    }),
  };
}

/** HTTP within a tunnel meets the same table as HTTP outside; all else is relayed. */
export function tunnelListener(
  manager: MessageInitShape<typeof FilterSchema>,
  accessLog: MessageInitShape<typeof TcpProxySchema>["accessLog"],
): MessageInitShape<typeof ListenerSchema> & { name: string } {
  return {
    name: tunnelName,
    listenerSpecifier: { case: "internalListener", value: {} },
    listenerFilters: [
      { name: "envoy.filters.listener.http_inspector", configType: typed(HttpInspectorSchema, {}) },
    ],
    filterChains: [
      {
        name: tunnelName,
        filterChainMatch: { applicationProtocols: ["http/1.0", "http/1.1"] },
        filters: [manager],
      },
    ],
    defaultFilterChain: {
      name: `${tunnelName}_tcp`,
      filters: [
        {
          name: "envoy.filters.network.tcp_proxy",
          configType: typed(TcpProxySchema, {
            statPrefix: tunnelName,
            clusterSpecifier: { case: "cluster", value: blackHoleCluster },
            ...(accessLog && { accessLog }),
          }),
        },
      ],
    },
  };
}

export function tunnelCluster(connectTimeoutMs: number): MessageInitShape<typeof ClusterSchema> & {
  name: string;
} {
  return {
    name: tunnelName,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(connectTimeoutMs),
    loadAssignment: {
      clusterName: tunnelName,
      endpoints: [
        {
          lbEndpoints: [
            {
              hostIdentifier: {
                case: "endpoint",
                value: {
                  address: {
                    address: {
                      case: "envoyInternalAddress",
                      value: { addressNameSpecifier: { case: "serverListenerName", value: tunnelName } },
                    },
                  },
                },
              },
            },
          ],
        },
      ],
    },
    transportSocket: {
      name: "envoy.transport_sockets.internal_upstream",
      configType: typed(InternalUpstreamTransportSchema, { transportSocket: plaintext }),
    },
  };
}
