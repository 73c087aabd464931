/** Which manifest a resource comes from, so that a proxy's refusal is seen where its author looks. */
import { fromBinary, type JsonObject } from "@bufbuild/protobuf";
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Metadata } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import { type EncodedResource, typeUrl } from "../../xds/protocol/index.ts";

/** `VirtualService/default/reviews-route` and the field in it. */
export interface Owner {
  readonly object: string;
  readonly field: string;
}

function ownerOf(metadata: Metadata | undefined): Owner | undefined {
  const weft = metadata?.filterMetadata["weft"] as JsonObject | undefined;
  const owner = weft?.["owner"];
  if (typeof owner !== "string" || owner === "") return undefined;
  const field = weft?.["field"];
  return { object: owner, field: typeof field === "string" ? field : "" };
}

/** The owners of what `message` refuses in a resource: of the one route that it points at, else of all. */
export function ownersOf(resource: EncodedResource, message: string): readonly Owner[] {
  switch (resource.typeUrl) {
    case typeUrl.cluster:
      return [ownerOf(fromBinary(ClusterSchema, resource.bytes).metadata)].filter((o) => o !== undefined);
    case typeUrl.listener: {
      const listener = fromBinary(ListenerSchema, resource.bytes);
      const all = [listener.metadata, ...listener.filterChains.map((c) => c.metadata)].map(ownerOf);
      return distinct(all);
    }
    case typeUrl.route:
      return routeOwners(resource, message);
    default:
      return [];
  }
}

function routeOwners(resource: EncodedResource, message: string): readonly Owner[] {
  const table = fromBinary(RouteConfigurationSchema, resource.bytes);
  const pointed: (Owner | undefined)[] = [];
  for (const [, host, route] of message.matchAll(/virtual_?hosts\[(\d+)\]\.routes\[(\d+)\]/gi))
    pointed.push(ownerOf(table.virtualHosts[Number(host)]?.routes[Number(route)]?.metadata));
  const exact = distinct(pointed);
  if (exact.length > 0) return exact;
  return distinct(table.virtualHosts.flatMap((v) => v.routes.map((r) => ownerOf(r.metadata))));
}

function distinct(owners: readonly (Owner | undefined)[]): readonly Owner[] {
  const found = new Map<string, Owner>();
  for (const owner of owners) if (owner !== undefined) found.set(`${owner.object} ${owner.field}`, owner);
  return [...found.values()];
}
