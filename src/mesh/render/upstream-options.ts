/** What a connection pool asks of each connection. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { HttpProtocolOptionsSchema } from "../../proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { type ConnectionPool, carriesOut } from "../model/index.ts";
import type { ClusterInit } from "./cluster-init.ts";
import type { ProxyNode } from "./types.ts";
import { duration } from "./values.ts";

type Options = MessageInitShape<typeof HttpProtocolOptionsSchema>;
const protocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

export function upstreamOptions(
  pool: ConnectionPool | undefined,
  kind: ProxyNode["kind"],
): Pick<ClusterInit, "typedExtensionProtocolOptions" | "upstreamConnectionOptions"> {
  const options = pool && httpOptions(pool, kind);
  const keepalive = pool && carriesOut(kind, "keepalive") ? pool.keepalive : undefined;
  return {
    ...(options && {
      typedExtensionProtocolOptions: {
        [protocolOptions]: anyPack(HttpProtocolOptionsSchema, create(HttpProtocolOptionsSchema, options)),
      },
    }),
    ...(keepalive && {
      upstreamConnectionOptions: {
        tcpKeepalive: {
          ...(keepalive.probes !== undefined && { keepaliveProbes: keepalive.probes }),
          ...(keepalive.timeMs !== undefined && { keepaliveTime: seconds(keepalive.timeMs) }),
          ...(keepalive.intervalMs !== undefined && { keepaliveInterval: seconds(keepalive.intervalMs) }),
        },
      },
    }),
  };
}

/** The kernel counts in seconds; none of it is no time at all. */
function seconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1000));
}

function httpOptions(pool: ConnectionPool, kind: ProxyNode["kind"]): Options | undefined {
  const idle = pool.idleTimeoutMs;
  const perConnection = pool.maxRequestsPerConnection ?? 0;
  const life = pool.maxConnectionDurationMs;
  const asCaller = pool.useClientProtocol === true && carriesOut(kind, "client-protocol");
  if (idle === undefined && perConnection === 0 && life === undefined && !asCaller) return undefined;
  const streams = pool.maxConcurrentStreams;
  const http2 = { ...(streams !== undefined && { maxConcurrentStreams: streams }) };
  return {
    upstreamProtocolOptions: asCaller
      ? {
          case: "useDownstreamProtocolConfig",
          value: { httpProtocolOptions: {}, http2ProtocolOptions: http2 },
        }
      : {
          case: "explicitHttpConfig",
          value: { protocolConfig: { case: "httpProtocolOptions", value: {} } },
        },
    commonHttpProtocolOptions: {
      ...(idle !== undefined && { idleTimeout: duration(idle) }),
      ...(perConnection > 0 && { maxRequestsPerConnection: perConnection }),
      ...(life !== undefined && { maxConnectionDuration: duration(life) }),
    },
  };
}
