/** Routes -> routes as gRPC takes them (gRFC A28, A31, A44). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RouteActionSchema } from "../../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { Origin } from "../../model/index.ts";
import type { RouteInit } from "../route.ts";
import { weftMetadata } from "../values.ts";
import type { RouteTableInit } from "../virtual-host.ts";

/** One table for each host and port: a client asks for the host that it calls and for no other. */
export function grpcTable(
  name: string,
  host: string,
  routes: readonly RouteInit[],
  origin?: Origin,
): RouteTableInit {
  return {
    name,
    virtualHosts: [
      {
        name: host,
        // The table is this host's alone, by whatever name the client calls it.
        domains: ["*"],
        routes: routes.map(grpcRoute),
        ...(origin && { metadata: weftMetadata(origin) }),
      },
    ],
  };
}

/**
 * Redirects and fixed answers are HTTP's: such a route fails the call, as gRFC A28 says of an action that is none of
 * gRPC's; sent as they are some clients would refuse the whole table.
 */
function grpcRoute(route: RouteInit): RouteInit {
  const { name, match, metadata, action } = route;
  const common = { ...(name && { name }), ...(match && { match }), ...(metadata && { metadata }) };
  if (action?.case !== "route") return { ...common, action: { case: "nonForwardingAction", value: {} } };
  return { ...common, action: { case: "route", value: forward(action.value) } };
}

function forward(
  action: MessageInitShape<typeof RouteActionSchema>,
): MessageInitShape<typeof RouteActionSchema> {
  const { clusterSpecifier, timeout, retryPolicy } = action;
  const limited = timeout && (timeout.seconds !== 0n || timeout.nanos !== 0);
  return {
    ...(clusterSpecifier && { clusterSpecifier }),
    ...(limited && { maxStreamDuration: { maxStreamDuration: timeout } }),
    ...(retryPolicy && { retryPolicy }),
  };
}
