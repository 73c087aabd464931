/** Counting and logging of relayed TCP connections. */
import type { FilterChainConfig, ListenerConfig } from "../config/index.ts";
import type { Cluster, Host } from "./cluster.ts";
import type { Plane } from "./plane.ts";
import { type ConnectionInfo, flag, StreamInfo } from "./stream-info.ts";
import type { TcpRecord } from "./tcp.ts";
import type { TcpSeries } from "./telemetry.ts";

/**
 * What is known of a connection when it begins; the result counts and logs it. It is counted as opened when it is known
 * who the upstream is, so that opened and closed ones carry the same labels.
 */
export function recordTcp(
  plane: Plane,
  direction: ListenerConfig["direction"],
  of: {
    readonly cluster: Cluster;
    readonly host: Host;
    readonly connection: ConnectionInfo;
    readonly filter: Extract<FilterChainConfig["filter"], { kind: "tcp" }>;
  },
): TcpRecord {
  const info = new StreamInfo(of.connection);
  info.reset(plane.clock.now());
  info.cluster = of.cluster;
  info.clusterName = of.cluster.name;
  info.host = of.host;
  const { row } = plane.metrics;
  const series = (): TcpSeries => plane.telemetry.tcp(info, direction, plane.principal);
  let opened = false;
  const open = (): void => {
    if (opened) return;
    opened = true;
    row[series().opened]!++;
  };
  return {
    connected(host, principal, trusted) {
      info.host = host;
      info.upstreamPrincipal = principal;
      info.upstreamTrusted = trusted;
      open();
    },
    ended(relay) {
      if (relay.failed) info.flags |= flag.upstreamConnectionFailure;
      open();
      info.bytesReceived = relay.received;
      info.bytesSent = relay.sent;
      const slots = series();
      row[slots.closed]!++;
      row[slots.sent]! += relay.sent;
      row[slots.received]! += relay.received;
      const now = plane.clock.now();
      for (const config of of.filter.accessLogs) plane.accessLogger(config).log(info, now);
    },
  };
}
