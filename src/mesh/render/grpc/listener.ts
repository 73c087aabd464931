/** Listeners of gRPC clients (gRFC A27) and servers (gRFC A36). */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { TrafficDirection } from "../../../proto/gen/envoy/config/core/v3/base_pb.js";
import { RouterSchema } from "../../../proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "../../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { type MtlsRule, mtlsFor, type Origin, type Workload } from "../../model/index.ts";
import { inboundPorts } from "../inbound.ts";
import type { ListenerInit } from "../listener.ts";
import { inboundCluster } from "../names.ts";
import type { MeshIndex } from "../target.ts";
import { ads, socketAddress, weftMetadata } from "../values.ts";
import type { ListeningAddress } from "./names.ts";
import { grpcDownstreamTls } from "./tls.ts";

type ManagerInit = MessageInitShape<typeof HttpConnectionManagerSchema>;

/** gRPC asks for the router at the end (gRFC A39) and refuses filters that it does not know. */
function manager(statPrefix: string, routes: NonNullable<ManagerInit["routeSpecifier"]>): Any {
  const router = anyPack(RouterSchema, create(RouterSchema));
  return anyPack(
    HttpConnectionManagerSchema,
    create(HttpConnectionManagerSchema, {
      statPrefix,
      routeSpecifier: routes,
      httpFilters: [
        { name: "envoy.filters.http.router", configType: { case: "typedConfig", value: router } },
      ],
    }),
  );
}

/** `name`: the target as the client wrote it; `table`: where its routes are. */
export function clientListener(name: string, table: string, origin: Origin | undefined): ListenerInit {
  return {
    name,
    apiListener: {
      apiListener: manager(table, { case: "rds", value: { configSource: ads, routeConfigName: table } }),
    },
    ...(origin && { metadata: weftMetadata(origin) }),
  };
}

/** What a server listens on: calls of every name are its own. */
export function serverListener(
  index: MeshIndex,
  workload: Workload,
  name: string,
  { host, port }: ListeningAddress,
): ListenerInit {
  const published = inboundPorts(index, workload).find((p) => p.port === port || p.appPort === port);
  const rule = published?.mtls ?? mtlsFor(workload.authentication, port);
  const table = inboundCluster(published?.port ?? port);
  const served = {
    name: "default",
    match: { pathSpecifier: { case: "prefix" as const, value: "/" } },
    action: { case: "nonForwardingAction" as const, value: {} },
  };
  const typedConfig = manager(table, {
    case: "routeConfig",
    value: { name: table, virtualHosts: [{ name: table, domains: ["*"], routes: [served] }] },
  });
  const secure = takesMutualTls(rule, workload);
  return {
    name,
    address: socketAddress(host, port),
    trafficDirection: TrafficDirection.INBOUND,
    filterChains: [
      {
        name: secure ? "mtls" : "plaintext",
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            configType: { case: "typedConfig", value: typedConfig },
          },
        ],
        ...(secure && { transportSocket: grpcDownstreamTls() }),
        metadata: weftMetadata(rule.origin),
      },
    ],
    metadata: weftMetadata(published?.origin ?? workload.origin),
  };
}

/** A gRPC server takes one transport on a port: PERMISSIVE means mutual TLS where callers are told that it can. */
function takesMutualTls(rule: MtlsRule, workload: Workload): boolean {
  return rule.mode === "strict" || (rule.mode === "permissive" && workload.sidecar);
}
