/**
 * Kubernetes' protobuf, for the few messages that kubectl's generators post (`create namespace`, `create token`...).
 * Field numbers are those of k8s.io/api's generated.proto. An unknown field is skipped.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { badRequest, unsupportedMedia } from "./status.ts";

type Scalar = "string" | "bytes" | "int" | "bool";
/** Name, type (a scalar, a message or a map of scalars), and whether it repeats. */
type Field = readonly [name: string, type: Scalar | Message | { readonly mapOf: Scalar }, repeated?: true];
type Message = { readonly fields: Readonly<Record<number, Field>>; readonly shape?: "intOrString" };

const strings = { mapOf: "string" } as const;
const metadata: Message = {
  fields: {
    1: ["name", "string"],
    2: ["generateName", "string"],
    3: ["namespace", "string"],
    5: ["uid", "string"],
    6: ["resourceVersion", "string"],
    11: ["labels", strings],
    12: ["annotations", strings],
    14: ["finalizers", "string", true],
  },
};
const named = (more: Readonly<Record<number, Field>>): Message => ({
  fields: { 1: ["metadata", metadata], ...more },
});
const servicePort: Message = {
  fields: {
    1: ["name", "string"],
    2: ["protocol", "string"],
    3: ["port", "int"],
    4: [
      "targetPort",
      { fields: { 1: ["type", "int"], 2: ["int", "int"], 3: ["string", "string"] }, shape: "intOrString" },
    ],
    5: ["nodePort", "int"],
    6: ["appProtocol", "string"],
  },
};
const objectReference: Message = {
  fields: { 1: ["kind", "string"], 2: ["apiVersion", "string"], 3: ["name", "string"], 4: ["uid", "string"] },
};

const messages: Readonly<Record<string, Message>> = {
  "v1/Namespace": named({ 2: ["spec", { fields: { 1: ["finalizers", "string", true] } }] }),
  "v1/ServiceAccount": named({ 4: ["automountServiceAccountToken", "bool"] }),
  "v1/ConfigMap": named({
    2: ["data", strings],
    3: ["binaryData", { mapOf: "bytes" }],
    4: ["immutable", "bool"],
  }),
  "v1/Secret": named({
    2: ["data", { mapOf: "bytes" }],
    3: ["type", "string"],
    4: ["stringData", strings],
    5: ["immutable", "bool"],
  }),
  "v1/Service": named({
    2: [
      "spec",
      {
        fields: {
          1: ["ports", servicePort, true],
          2: ["selector", strings],
          3: ["clusterIP", "string"],
          4: ["type", "string"],
          7: ["sessionAffinity", "string"],
          10: ["externalName", "string"],
          18: ["clusterIPs", "string", true],
        },
      },
    ],
  }),
  "authentication.k8s.io/v1/TokenRequest": named({
    2: [
      "spec",
      {
        fields: {
          1: ["audiences", "string", true],
          3: ["boundObjectRef", objectReference],
          4: ["expirationSeconds", "int"],
        },
      },
    ],
  }),
  "authentication.k8s.io/v1/TokenReview": named({
    2: ["spec", { fields: { 1: ["token", "string"], 2: ["audiences", "string", true] } }],
  }),
  "v1/DeleteOptions": {
    fields: {
      1: ["gracePeriodSeconds", "int"],
      2: ["preconditions", { fields: { 1: ["uid", "string"], 2: ["resourceVersion", "string"] } }],
      4: ["propagationPolicy", "string"],
      5: ["dryRun", "string", true],
    },
  },
};

const unknownMessage: Message = {
  fields: {
    1: ["typeMeta", { fields: { 1: ["apiVersion", "string"], 2: ["kind", "string"] } }],
    2: ["raw", "bytes"],
  },
};

/** `k8s\0` and a runtime.Unknown around the object. */
export function decodeProtobuf(bytes: Uint8Array): unknown {
  if (bytes[0] !== 0x6b || bytes[1] !== 0x38 || bytes[2] !== 0x73 || bytes[3] !== 0) {
    throw badRequest("the protobuf body does not begin with the magic number of Kubernetes");
  }
  try {
    const outer = read(unknownMessage, bytes.subarray(4));
    const { apiVersion = "", kind = "" } = (outer["typeMeta"] ?? {}) as {
      apiVersion?: string;
      kind?: string;
    };
    const message =
      messages[`${apiVersion}/${kind}`] ??
      (kind === "DeleteOptions" ? messages["v1/DeleteOptions"] : undefined);
    if (!message) {
      throw unsupportedMedia(
        `protobuf bodies of ${kind} in version "${apiVersion}" are not supported; send application/json (kubectl: use "create -f" or "apply -f")`,
      );
    }
    const raw = Buffer.from((outer["raw"] as string | undefined) ?? "", "base64");
    return { apiVersion, kind, ...read(message, raw) };
  } catch (e) {
    if (e instanceof RangeError) throw badRequest(`the protobuf body is malformed: ${e.message}`);
    if (e instanceof Error && e.name === "StatusError") throw e;
    throw badRequest(`the protobuf body is malformed: ${(e as Error).message}`);
  }
}

/** Bytes come out as base64, as JSON has them. */
function scalar(reader: BinaryReader, type: Scalar): unknown {
  switch (type) {
    case "string":
      return reader.string();
    case "bytes":
      return Buffer.from(reader.bytes()).toString("base64");
    case "int":
      return Number(reader.int64());
    case "bool":
      return reader.bool();
  }
}

function read(message: Message, bytes: Uint8Array): Record<string, unknown> {
  const reader = new BinaryReader(bytes);
  const out: Record<string, unknown> = {};
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = message.fields[number];
    if (!field) {
      reader.skip(wire, number);
      continue;
    }
    const [name, type, repeated] = field;
    if (typeof type === "object" && "mapOf" in type) {
      const entry = read({ fields: { 1: ["key", "string"], 2: ["value", type.mapOf] } }, reader.bytes());
      out[name] = {
        ...(out[name] as object | undefined),
        [(entry["key"] as string) ?? ""]: entry["value"] ?? "",
      };
      continue;
    }
    if (
      typeof type === "string" &&
      wire !== (type === "int" || type === "bool" ? WireType.Varint : WireType.LengthDelimited)
    ) {
      throw badRequest(`the protobuf body is malformed at field ${name}`);
    }
    const value = typeof type === "string" ? scalar(reader, type) : shaped(type, read(type, reader.bytes()));
    if (repeated) out[name] = [...((out[name] as unknown[] | undefined) ?? []), value];
    // Go writes its zero values for what is not set.
    else if (value !== "" && value !== 0 && value !== undefined) out[name] = value;
  }
  return out;
}

function shaped(message: Message, value: Record<string, unknown>): unknown {
  if (message.shape !== "intOrString") return value;
  const chosen = value["type"] === 1 ? value["string"] : value["int"];
  // Go sends the zero IntOrString for "not set".
  return chosen === 0 || chosen === undefined ? undefined : chosen;
}
