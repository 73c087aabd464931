/** The two variants of the protocol as a client speaks them: requests out, responses in, no I/O. */
import { create, fromBinary, type JsonObject, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type Any, anyIs, anyUnpack, type Duration } from "@bufbuild/protobuf/wkt";
import { NodeSchema } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  type Resource,
  ResourceSchema,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { grpcCode } from "../../wire/grpc/index.ts";
import { isWhole } from "../protocol/index.ts";
import type { FeedResource, FeedResponse, FirstRequest, NameChange } from "./feed.ts";
import type { NodeIdentity } from "./types.ts";

/** A response with what its answer needs. */
export interface StreamResponse extends FeedResponse {
  readonly nonce: string;
  /** version_info; empty in delta. */
  readonly version: string;
}

export interface Dialect {
  decode(bytes: Uint8Array): StreamResponse;
  /** A new stream: nonces are forgotten, versions are not. */
  reset(): void;
  /** Encoded requests; `node` travels along where it is given. */
  first(request: FirstRequest, node: NodeIdentity | undefined): Uint8Array;
  ask(typeUrl: string, change: NameChange, wanted: readonly string[], node?: NodeIdentity): Uint8Array;
  answer(
    response: StreamResponse,
    wanted: readonly string[],
    error: string | undefined,
    node?: NodeIdentity,
  ): Uint8Array;
}

function nodeOf(node: NodeIdentity | undefined): { node?: MessageInitShape<typeof NodeSchema> } {
  if (node === undefined) return {};
  const { id, cluster, locality } = node;
  return {
    node: create(NodeSchema, {
      id,
      cluster,
      metadata: node.metadata as JsonObject,
      ...(locality === undefined ? {} : { locality }),
      userAgentName: node.userAgent ?? "weft",
      userAgentVersionType: { case: "userAgentVersion", value: node.version ?? "" },
    }),
  };
}

const errorOf = (message: string | undefined) =>
  message === undefined ? {} : { errorDetail: { code: grpcCode.invalidArgument, message } };

const milliseconds = (d: Duration): number => Number(d.seconds) * 1000 + d.nanos / 1e6;

const resourceOf = ({ name, version, resource, ttl }: Resource): FeedResource => ({
  name,
  version,
  any: resource,
  ...(ttl === undefined ? {} : { ttlMs: milliseconds(ttl) }),
});

export function deltaDialect(): Dialect {
  const encode = (init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): Uint8Array =>
    toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, init));
  return {
    decode(bytes) {
      const { typeUrl, nonce, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
      return {
        typeUrl,
        nonce,
        version: "",
        resources: resources.map(resourceOf),
        removed: removedResources,
        whole: false,
        repeats: false,
      };
    },
    reset() {},
    first: ({ typeUrl, names, versions }, node) =>
      encode({
        typeUrl,
        resourceNamesSubscribe: [...names],
        initialResourceVersions: versions,
        ...nodeOf(node),
      }),
    ask: (typeUrl, { subscribe, unsubscribe }, _wanted, node) =>
      encode({
        typeUrl,
        resourceNamesSubscribe: [...subscribe],
        resourceNamesUnsubscribe: [...unsubscribe],
        ...nodeOf(node),
      }),
    answer: ({ typeUrl, nonce }, _wanted, error, node) =>
      encode({ typeUrl, responseNonce: nonce, ...errorOf(error), ...nodeOf(node) }),
  };
}

export function sotwDialect(): Dialect {
  /** Of each type: the last nonce of this stream, and the last version that was taken. */
  const nonces = new Map<string, string>();
  const versions = new Map<string, string>();
  const request = (
    typeUrl: string,
    names: readonly string[],
    more: MessageInitShape<typeof DiscoveryRequestSchema>,
  ): Uint8Array =>
    toBinary(
      DiscoveryRequestSchema,
      create(DiscoveryRequestSchema, {
        typeUrl,
        resourceNames: [...names],
        versionInfo: versions.get(typeUrl) ?? "",
        responseNonce: nonces.get(typeUrl) ?? "",
        ...more,
      }),
    );
  return {
    decode(bytes) {
      const { typeUrl, nonce, versionInfo: version, resources } = fromBinary(DiscoveryResponseSchema, bytes);
      return {
        typeUrl,
        nonce,
        version,
        resources: resources.map((any) => unwrapped(any, version)),
        removed: [],
        whole: isWhole(typeUrl),
        repeats: true,
      };
    },
    reset: () => nonces.clear(),
    first: ({ typeUrl, names }, node) => request(typeUrl, names, nodeOf(node)),
    ask: (typeUrl, _change, wanted, node) => request(typeUrl, wanted, nodeOf(node)),
    answer({ typeUrl, nonce, version }, wanted, error, node) {
      nonces.set(typeUrl, nonce);
      if (error === undefined) versions.set(typeUrl, version);
      return request(typeUrl, wanted, { ...errorOf(error), ...nodeOf(node) });
    },
  };
}

/** Resources come bare, or wrapped with their name, version and life. */
function unwrapped(any: Any, version: string): FeedResource {
  const wrapped = anyIs(any, ResourceSchema) ? anyUnpack(any, ResourceSchema) : undefined;
  if (wrapped === undefined) return { name: nameIn(any.value), version, any };
  const resource = resourceOf(wrapped);
  const name = resource.name || (resource.any === undefined ? "" : nameIn(resource.any.value));
  return { ...resource, name, version: resource.version || version };
}

/** Clusters, listeners, route tables, assignments and secrets all have their name in field 1. */
export function nameIn(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let name = "";
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1 && wire === WireType.LengthDelimited) name = reader.string();
    else reader.skip(wire, field);
  }
  return name;
}
