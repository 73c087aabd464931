/** One xDS resource in, one compiled resource or its mistakes out. */
import { type DescMessage, fromBinary, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { type Cluster, ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { type Listener, ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import type { RouteTableConfig } from "../config/index.ts";
import { extensionRegistry } from "./any.ts";
import { checkFields } from "./check.ts";
import { type CompiledCluster, compileCluster } from "./cluster.ts";
import { type CompiledEndpoints, compileEndpoints } from "./endpoints.ts";
import { type CompiledListener, compileListener } from "./listener.ts";
import { describeProblems, Findings, Path, type Problem } from "./path.ts";
import { compileRouteTable } from "./route.ts";

export interface CompiledRoute {
  readonly type: "route";
  readonly name: string;
  readonly config: RouteTableConfig;
}

/** Plain JSON values throughout: they may cross threads and processes. */
export type CompiledResource = CompiledListener | CompiledRoute | CompiledCluster | CompiledEndpoints;

/** `resource` is undefined where there are errors. */
export interface Outcome {
  readonly name: string;
  readonly resource?: CompiledResource;
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
}

interface Kind {
  readonly schema: DescMessage;
  readonly root: string;
  readonly compile: (message: Message, path: Path, findings: Findings) => CompiledResource;
}

const kinds: Readonly<Record<string, Kind>> = {
  [ListenerSchema.typeName]: {
    schema: ListenerSchema,
    root: "listener",
    compile: (m, path, findings) => compileListener(m as Listener, path, findings),
  },
  [RouteConfigurationSchema.typeName]: {
    schema: RouteConfigurationSchema,
    root: "route_configuration",
    compile: (m, path, findings) => {
      const message = m as RouteConfiguration;
      if (message.name === "") findings.error(path.at("name"), "is required");
      return {
        type: "route",
        name: message.name,
        config: compileRouteTable(message, message.name, path, findings),
      };
    },
  },
  [ClusterSchema.typeName]: {
    schema: ClusterSchema,
    root: "cluster",
    compile: (m, path, findings) => compileCluster(m as Cluster, path, findings),
  },
  [ClusterLoadAssignmentSchema.typeName]: {
    schema: ClusterLoadAssignmentSchema,
    root: "cluster_load_assignment",
    compile: (m, path, findings) => compileEndpoints(m as ClusterLoadAssignment, path, findings),
  },
};

/** Checks and compiles a decoded Listener, RouteConfiguration, Cluster or ClusterLoadAssignment. */
export function compileMessage(message: Message, path?: Path): Outcome {
  const kind = kinds[message.$typeName];
  const findings = new Findings();
  const at = path ?? Path.root(kind?.root ?? "resource");
  if (!kind) {
    findings.error(at, `${message.$typeName} is not a resource that a proxy runs`);
    return { name: "", errors: findings.errors, warnings: [] };
  }
  checkFields(kind.schema, message, at, findings);
  const resource = kind.compile(message, at, findings);
  const bad = findings.errors.length > 0;
  const waits = findings.waits.size === 0 ? {} : { waits: Object.fromEntries(findings.waits) };
  return {
    name: resource.name,
    ...(bad ? {} : { resource: { ...resource, ...waits } }),
    errors: findings.errors,
    warnings: findings.warnings,
  };
}

/** The same from the Any of a discovery response. */
export function compileAny(any: Any): Outcome {
  const message = decodeResource(any);
  if (typeof message !== "string") return compileMessage(message);
  const findings = new Findings();
  findings.error(Path.root("resource"), message);
  return { name: "", errors: findings.errors, warnings: [] };
}

/** The message of a resource's Any; a string says why there is none. */
export function decodeResource(any: Any): Message | string {
  const name = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
  const kind = kinds[name];
  if (!kind) return `${any.typeUrl} is not a resource that a proxy runs`;
  try {
    return fromBinary(kind.schema, any.value);
  } catch (e) {
    return `does not decode as ${name}: ${e instanceof Error ? e.message : String(e)}`;
  }
}

/** JSON form of a resource's Any, with the field names of the .proto files; undefined where it does not decode. */
export function anyToJson(any: Any): JsonValue | undefined {
  const message = decodeResource(any);
  const schema = typeof message === "string" ? undefined : resourceSchema(message.$typeName);
  if (typeof message === "string" || !schema) return undefined;
  return toJson(schema, message, { registry: extensionRegistry, useProtoFieldName: true });
}

/** Schema of a resource type's messages, for their JSON form. */
export function resourceSchema(typeName: string): DescMessage | undefined {
  return kinds[typeName]?.schema;
}

export { describeProblems };
