/** A source in memory, for tests of server and client. */
import { create, type DescMessage, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Cluster_DiscoveryType, ClusterSchema } from "../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../proto/gen/envoy/config/route/v3/route_pb.js";
import { HttpConnectionManagerSchema } from "../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { SecretSchema } from "../proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { extensionRegistry } from "../proxy/compile/index.ts";
import { type EncodedResource, type Nack, type NodeInfo, typeUrl } from "../xds/protocol/index.ts";
import type { ResourceSource } from "../xds/server/index.ts";

let versions = 0;

function resource(url: string, name: string, bytes: Uint8Array): EncodedResource {
  return { typeUrl: url, name, version: `v${++versions}`, bytes };
}

/** A resource from its JSON form, of any size and kind. */
export function fromText(url: string, json: JsonObject): EncodedResource {
  const schema = schemas[url];
  if (schema === undefined) throw new Error(`no schema for ${url}`);
  const name = String(json["name"] ?? json["cluster_name"]);
  return resource(url, name, toBinary(schema, fromJson(schema, json, { registry: extensionRegistry })));
}

const schemas: Readonly<Record<string, DescMessage>> = {
  [typeUrl.cluster]: ClusterSchema,
  [typeUrl.endpoints]: ClusterLoadAssignmentSchema,
  [typeUrl.listener]: ListenerSchema,
  [typeUrl.route]: RouteConfigurationSchema,
  [typeUrl.secret]: SecretSchema,
};

/** Builders of small valid resources; `pad` makes them big. */
export const make = {
  cluster: (name: string, pad = 0): EncodedResource =>
    resource(
      typeUrl.cluster,
      name,
      toBinary(
        ClusterSchema,
        create(ClusterSchema, {
          name,
          altStatName: "x".repeat(pad),
          clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
        }),
      ),
    ),
  endpoints: (name: string): EncodedResource =>
    resource(
      typeUrl.endpoints,
      name,
      toBinary(ClusterLoadAssignmentSchema, create(ClusterLoadAssignmentSchema, { clusterName: name })),
    ),
  listener: (name: string, route: string): EncodedResource => {
    const manager = create(HttpConnectionManagerSchema, {
      routeSpecifier: { case: "rds", value: { routeConfigName: route } },
    });
    const filter = {
      name: "hcm",
      configType: { case: "typedConfig", value: anyPack(HttpConnectionManagerSchema, manager) } as const,
    };
    const listener = create(ListenerSchema, { name, filterChains: [{ filters: [filter] }] });
    return resource(typeUrl.listener, name, toBinary(ListenerSchema, listener));
  },
  /** Others with another `version`. */
  route: (name: string, version = 0): EncodedResource =>
    resource(
      typeUrl.route,
      name,
      toBinary(
        RouteConfigurationSchema,
        create(RouteConfigurationSchema, { name, internalOnlyHeaders: [`x-${version}`] }),
      ),
    ),
};

export interface TestSource extends ResourceSource {
  put(...resources: EncodedResource[]): void;
  remove(url: string, ...names: string[]): void;
  /** Tells the streams; put and remove alone do not. */
  changed(...urls: string[]): void;
  readonly acks: string[];
  readonly nacks: { typeUrl: string; nack: Nack }[];
  readonly nodes: NodeInfo[];
}

export function createTestSource(): TestSource {
  const types = new Map<string, Map<string, EncodedResource>>();
  const listeners = new Set<(urls: ReadonlySet<string> | "all") => void>();
  const of = (url: string): Map<string, EncodedResource> => {
    const found = types.get(url) ?? new Map<string, EncodedResource>();
    types.set(url, found);
    return found;
  };
  const source: TestSource = {
    acks: [],
    nacks: [],
    nodes: [],
    put: (...resources) => {
      for (const r of resources) of(r.typeUrl).set(r.name, r);
    },
    remove: (url, ...names) => {
      for (const name of names) of(url).delete(name);
    },
    changed: (...urls) => {
      for (const tell of listeners) tell(urls.length === 0 ? "all" : new Set(urls));
    },
    resources: (_node, url) => new Map(of(url)),
    subscribe: (_node, onChange) => {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    onConnect: (node) => void source.nodes.push(node),
    onAck: (_node, url) => void source.acks.push(url),
    onNack: (_node, url, nack) => void source.nacks.push({ typeUrl: url, nack }),
  };
  return source;
}
