/** Counting and logging of relayed TCP connections. */
import type { FilterChainConfig, ListenerConfig } from "../config/index.ts";
import type { Cluster, Host } from "./cluster.ts";
import type { Plane } from "./plane.ts";
import { type ConnectionInfo, flag, StreamInfo } from "./stream-info.ts";
import type { TcpRelay } from "./tcp.ts";

/** What is known of a connection when it begins; the result counts and logs it when it ends. */
export function recordTcp(
  plane: Plane,
  direction: ListenerConfig["direction"],
  of: {
    readonly cluster: Cluster;
    readonly host: Host;
    readonly connection: ConnectionInfo;
    readonly filter: Extract<FilterChainConfig["filter"], { kind: "tcp" }>;
  },
): (relay: TcpRelay) => void {
  const info = new StreamInfo(of.connection);
  info.reset(plane.clock.now(), plane.clock.wall());
  info.cluster = of.cluster;
  info.clusterName = of.cluster.name;
  info.host = of.host;
  const { row } = plane.metrics;
  row[plane.telemetry.tcp(info, direction, plane.principal).opened]!++;
  return (relay) => {
    if (relay.failed) info.flags |= flag.upstreamConnectionFailure;
    info.bytesReceived = relay.received;
    info.bytesSent = relay.sent;
    const series = plane.telemetry.tcp(info, direction, plane.principal);
    row[series.closed]!++;
    row[series.sent]! += relay.sent;
    row[series.received]! += relay.received;
    const now = plane.clock.now();
    for (const config of of.filter.accessLogs) plane.accessLogger(config).log(info, now);
  };
}
