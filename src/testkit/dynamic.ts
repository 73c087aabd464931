/** A proxy that takes its configuration from a server: the process's part, and resources and bootstraps as Envoy's JSON. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { createLogger, seededRng, systemClock } from "../base/index.ts";
import { type Standalone, startStandalone } from "../proxy/bootstrap/index.ts";
import { typeUrl } from "../xds/protocol/index.ts";
import { fromText } from "./xds-source.ts";

/** A port that nobody has now. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

/** A real proxy with one data thread from a bootstrap without its node, whose file is put into `dir`; throws its errors. */
export async function startProxy(dir: string, bootstrap: JsonObject): Promise<Standalone> {
  const file = join(dir, `proxy-${freePort()}.json`);
  writeFileSync(file, JSON.stringify({ node: { id: "proxy", cluster: "test" }, ...bootstrap }));
  const result = await startStandalone({
    file,
    createWorker: () => new Worker(new URL("../worker.ts", import.meta.url)),
    concurrency: 1,
    clock: systemClock,
    rng: seededRng(1),
    log: createLogger({ sink: () => {} }),
    version: "0",
  });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.proxy;
}

export const ads: JsonObject = { ads: {}, resource_api_version: "V3" };
const hcm =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

export const address = (port: number): JsonObject => ({
  socket_address: { address: "127.0.0.1", port_value: port },
});
export const endpoints = (name: string, port: number): JsonObject => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
});
export const make = {
  cluster: (name: string, config: JsonObject = ads, more: JsonObject = {}) =>
    fromText(typeUrl.cluster, { name, type: "EDS", eds_cluster_config: { eds_config: config }, ...more }),
  endpoints: (name: string, port: number) => fromText(typeUrl.endpoints, endpoints(name, port)),
  route: (name: string, cluster: string) => fromText(typeUrl.route, route(name, cluster)),
  listener: (name: string, port: number, routes: string, config: JsonObject = ads, more: JsonObject = {}) =>
    fromText(typeUrl.listener, listener(name, port, routes, config, more)),
};
export const route = (name: string, cluster: string): JsonObject => ({
  name,
  virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster } }] }],
});
export const listener = (
  name: string,
  port: number,
  routes: string,
  config: JsonObject,
  more: JsonObject,
): JsonObject => ({
  name,
  address: address(port),
  filter_chains: [
    {
      filters: [
        {
          name: "hcm",
          typed_config: {
            "@type": hcm,
            stat_prefix: name,
            rds: { route_config_name: routes, config_source: config },
            http_filters: [{ name: "router", typed_config: { "@type": router } }],
          },
        },
      ],
      ...more,
    },
  ],
});

export const controlCluster = (name: string, where: JsonObject, more: JsonObject = {}): JsonObject => ({
  name,
  type: "STATIC",
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: where } }] }],
  },
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
  ...more,
});

export const grpc = (cluster: string, type: "GRPC" | "DELTA_GRPC", more: JsonObject = {}): JsonObject => ({
  api_type: type,
  transport_api_version: "V3",
  grpc_services: [{ envoy_grpc: { cluster_name: cluster }, ...more }],
});

export const adsBootstrap = (
  port: number,
  type: "GRPC" | "DELTA_GRPC",
  more: JsonObject = {},
): JsonObject => ({
  dynamic_resources: {
    ads_config: grpc("xds", type, more),
    cds_config: ads,
    lds_config: ads,
  },
  static_resources: { clusters: [controlCluster("xds", address(port))] },
});
