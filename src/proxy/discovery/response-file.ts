/** The text of a discovery file. */
import { createRegistry, fromBinary, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import { SecretSchema } from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import {
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { type FeedResource, nameIn } from "../../xds/client/index.ts";
import { extensionRegistry, Findings, Path } from "../compile/index.ts";
import { checkJson, PositionedText } from "../text/index.ts";

const registry = createRegistry(
  extensionRegistry,
  ClusterSchema,
  ClusterLoadAssignmentSchema,
  ListenerSchema,
  RouteConfigurationSchema,
  SecretSchema,
  ResourceSchema,
);

/** Throws an Error that says what is wrong and where. */
export function readResponse(bytes: Uint8Array, path: string, typeUrl: string): FeedResource[] {
  const response = path.endsWith(".pb") ? fromBinary(DiscoveryResponseSchema, bytes) : parse(bytes, path);
  return response.resources.map((any) => {
    if (any.typeUrl !== typeUrl) throw new Error(`holds a ${any.typeUrl} where ${typeUrl} is expected`);
    return { name: nameIn(any.value), version: response.versionInfo, any };
  });
}

function parse(bytes: Uint8Array, path: string): DiscoveryResponse {
  const text = new PositionedText(new TextDecoder().decode(bytes), path);
  const broken = text.errors[0];
  if (broken) throw new Error(`line ${broken.where.line}: ${broken.message}`);
  const json = (text.value ?? {}) as JsonValue;
  const findings = new Findings();
  checkJson(DiscoveryResponseSchema, json, Path.root(""), findings, registry);
  const [first] = findings.errors;
  if (first) throw new Error(`line ${text.at(first.keys).line}: ${first.path}: ${first.message}`);
  return fromJson(DiscoveryResponseSchema, json, { registry });
}
