/** How long a resource is waited for: ConfigSource.initial_fetch_timeout, by what it names. */
import type { Message } from "@bufbuild/protobuf";
import type { Cluster } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ConfigSource } from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import type { Rds } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { SdsSecretConfig } from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { durationMs } from "./values.ts";

/** `route t`, `secret s`, `endpoints e` -> ms; 0: for ever. What is not there has Envoy's 15 s. */
export type Waits = Readonly<Record<string, number>>;

type Reader = (message: Message) => readonly [string, ConfigSource | undefined];

const readers: Readonly<Record<string, Reader>> = {
  "envoy.extensions.filters.network.http_connection_manager.v3.Rds": (m) => {
    const { routeConfigName, configSource } = m as Rds;
    return [`route ${routeConfigName}`, configSource];
  },
  "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": (m) => {
    const { name, sdsConfig } = m as SdsSecretConfig;
    return [`secret ${name}`, sdsConfig];
  },
  "envoy.config.cluster.v3.Cluster": (m) => {
    const { name, edsClusterConfig } = m as Cluster;
    return [`endpoints ${edsClusterConfig?.serviceName || name}`, edsClusterConfig?.edsConfig];
  },
};

/** Notes in `waits` what the message says itself; of two that name the same the longer holds. */
export function noteWait(message: Message, waits: Map<string, number>): void {
  const read = readers[message.$typeName];
  if (read === undefined) return;
  const [key, source] = read(message);
  if (source?.initialFetchTimeout === undefined) return;
  const ms = durationMs(source.initialFetchTimeout, 0);
  const before = waits.get(key);
  waits.set(key, before === 0 || ms === 0 ? 0 : Math.max(before ?? 0, ms));
}
