/** Which manifest a resource comes from, so that a proxy's refusal is seen where its author looks. */
import { fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Metadata } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import {
  type HeaderMatcher,
  type QueryParameterMatcher,
  type Route,
  RouteSchema,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import type { RegexMatcher } from "../../proto/gen/envoy/type/matcher/v3/regex_pb.js";
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

/**
 * The owners of what `message` refuses in a resource: of the one route that it points at or quotes, else of the routes
 * that are not in `before` (the version that the proxy runs), else of all.
 */
export function ownersOf(
  resource: EncodedResource,
  message: string,
  before?: EncodedResource,
): readonly Owner[] {
  switch (resource.typeUrl) {
    case typeUrl.cluster:
      return [ownerOf(fromBinary(ClusterSchema, resource.bytes).metadata)].filter((o) => o !== undefined);
    case typeUrl.listener: {
      const listener = fromBinary(ListenerSchema, resource.bytes);
      const all = [listener.metadata, ...listener.filterChains.map((c) => c.metadata)].map(ownerOf);
      return distinct(all);
    }
    case typeUrl.route:
      return routeOwners(resource, message, before);
    default:
      return [];
  }
}

function routeOwners(
  resource: EncodedResource,
  message: string,
  before: EncodedResource | undefined,
): readonly Owner[] {
  const table = fromBinary(RouteConfigurationSchema, resource.bytes);
  const pointed: (Owner | undefined)[] = [];
  for (const [, host, route] of message.matchAll(/virtual_?hosts\[(\d+)\]\.routes\[(\d+)\]/gi))
    pointed.push(ownerOf(table.virtualHosts[Number(host)]?.routes[Number(route)]?.metadata));
  const exact = distinct(pointed);
  if (exact.length > 0) return exact;
  const quoted = distinct(
    table.virtualHosts.flatMap((v) =>
      v.routes.filter((r) => quotes(message, r)).map((r) => ownerOf(r.metadata)),
    ),
  );
  if (quoted.length > 0) return quoted;
  const known = before === undefined ? new Set<bigint>() : new Set(routesIn(before).map(fingerprint));
  const fresh = table.virtualHosts.flatMap((v) => v.routes.filter((r) => !known.has(fingerprint(r))));
  const changed = distinct(fresh.map((r) => ownerOf(r.metadata)));
  if (changed.length > 0) return changed;
  return distinct(table.virtualHosts.flatMap((v) => v.routes.map((r) => ownerOf(r.metadata))));
}

/** Envoy says which regular expression it cannot use, and nothing else of where it stood. */
function quotes(message: string, { match }: Route): boolean {
  const { pathSpecifier: path } = match ?? {};
  const matchers = [
    ...(path?.case === "safeRegex" ? [path.value] : []),
    ...(match?.headers ?? []).map((h) => matcherOf(h.headerMatchSpecifier)),
    ...(match?.queryParameters ?? []).map((q) => matcherOf(q.queryParameterMatchSpecifier)),
  ];
  return matchers.some((m) => m !== undefined && m.regex !== "" && message.includes(m.regex));
}

function matcherOf(
  specifier: HeaderMatcher["headerMatchSpecifier"] | QueryParameterMatcher["queryParameterMatchSpecifier"],
): RegexMatcher | undefined {
  if (specifier.case !== "stringMatch") return undefined;
  const { matchPattern } = specifier.value;
  return matchPattern.case === "safeRegex" ? matchPattern.value : undefined;
}

const routesIn = (table: EncodedResource): readonly Route[] =>
  fromBinary(RouteConfigurationSchema, table.bytes).virtualHosts.flatMap((v) => v.routes);

const fingerprint = (route: Route): bigint => BigInt(Bun.hash(toBinary(RouteSchema, route)));

function distinct(owners: readonly (Owner | undefined)[]): readonly Owner[] {
  const found = new Map<string, Owner>();
  for (const owner of owners) if (owner !== undefined) found.set(`${owner.object} ${owner.field}`, owner);
  return [...found.values()];
}
