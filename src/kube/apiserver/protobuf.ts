/**
 * Kubernetes' protobuf, as kubectl's generators and typed clients post it. Field numbers come from kinds/shapes.
 * Go writes its zero values for what is not set; which zeros mean something cannot be told from the wire, so those
 * that do are listed. An unknown field is skipped.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { hasShapes, parseApiVersion, type ShapeField, type ShapeType, shapeOf } from "../kinds/index.ts";
import { badRequest, unsupportedMedia } from "./status.ts";

/** Numbers of which 0, and switches of which false, differ from silence. */
const meaningful: ReadonlySet<string> = new Set([
  ..."replicas minReplicas parallelism completions backoffLimit terminationGracePeriodSeconds".split(" "),
  ..."revisionHistoryLimit ttlSecondsAfterFinished activeDeadlineSeconds priority runAsUser runAsGroup".split(
    " ",
  ),
  ..."fsGroup successfulJobsHistoryLimit failedJobsHistoryLimit gracePeriodSeconds partition".split(" "),
  ..."defaultMode expirationSeconds value number percent int".split(" "),
  ..."automountServiceAccountToken immutable enableServiceLinks allowPrivilegeEscalation".split(" "),
  ..."runAsNonRoot privileged readOnlyRootFilesystem suspend allowVolumeExpansion".split(" "),
  ..."minimum maximum minLength maxLength minItems maxItems minProperties maxProperties allows".split(" "),
  ..."shareProcessNamespace optional served storage attachRequired podInfoOnMount".split(" "),
]);

/** `k8s\0` and a runtime.Unknown around the object. */
export function decodeProtobuf(bytes: Uint8Array): unknown {
  if (bytes[0] !== 0x6b || bytes[1] !== 0x38 || bytes[2] !== 0x73 || bytes[3] !== 0) {
    throw badRequest("the protobuf body does not begin with the magic number of Kubernetes");
  }
  try {
    const { apiVersion, kind, raw } = envelope(bytes.subarray(4));
    const fields = kind === "DeleteOptions" ? shapeOf("meta-v1", kind) : shapeFor(apiVersion, kind);
    return { apiVersion, kind, ...readMessage(fields, raw) };
  } catch (e) {
    if (e instanceof Error && e.name === "StatusError") throw e;
    throw badRequest(`the protobuf body is malformed: ${(e as Error).message}`);
  }
}

function envelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const out = { apiVersion: "", kind: "", raw: new Uint8Array() };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 2 && wire === WireType.LengthDelimited)
      out.raw = reader.bytes() as Uint8Array<ArrayBuffer>;
    else if (number === 1 && wire === WireType.LengthDelimited) {
      const inner = new BinaryReader(reader.bytes());
      while (inner.pos < inner.len) {
        const [field, type] = inner.tag();
        if (field === 1) out.apiVersion = inner.string();
        else if (field === 2) out.kind = inner.string();
        else inner.skip(type, field);
      }
    } else reader.skip(wire, number);
  }
  return out;
}

function shapeFor(apiVersion: string, kind: string): readonly ShapeField[] {
  const at = parseApiVersion(apiVersion);
  const file = at && `${at.group === "" ? "core" : at.group.split(".")[0]}-${at.version}`;
  if (file && hasShapes(file)) {
    try {
      return shapeOf(file, kind);
    } catch {
      // Falls through: no such kind in the group.
    }
  }
  throw unsupportedMedia(
    `protobuf bodies of ${kind} in version "${apiVersion}" are not supported; send application/json (kubectl: use "create -f" or "apply -f")`,
  );
}

type Json = Record<string, unknown>;
/** Nesting of a message. */
const MAX_MESSAGE_DEPTH = 64;

function readMessage(fields: readonly ShapeField[], bytes: Uint8Array, depth = 0): Json {
  if (depth > MAX_MESSAGE_DEPTH) throw new Error(`nested deeper than ${MAX_MESSAGE_DEPTH} levels`);
  const reader = new BinaryReader(bytes);
  const out: Json = {};
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = fields.find((f) => f.number === number);
    if (field) readField(out, field, reader, wire, depth);
    else reader.skip(wire, number);
  }
  return out;
}

function readField(out: Json, field: ShapeField, reader: BinaryReader, wire: WireType, depth: number): void {
  const { name } = field;
  // A schema holds schemas: its fields are known, but nothing is judged by them, so they stand apart.
  const type = name === "openAPIV3Schema" ? schemaType : field.type;
  if (type.of === "list") {
    const packed = wire === WireType.LengthDelimited && type.inner.of === "leaf" && varint(type.inner.name);
    const list = (out[name] ?? []) as unknown[];
    out[name] = list;
    if (!packed) {
      list.push(readValue(type.inner, reader, wire, depth) ?? "");
      return;
    }
    const inner = new BinaryReader(reader.bytes());
    while (inner.pos < inner.len) list.push(readValue(type.inner, inner, WireType.Varint, depth));
    return;
  }
  if (type.of === "map") {
    const [key, value] = readEntry(type.inner, reader.bytes(), depth);
    const map = (out[name] ?? {}) as Json;
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    out[name] = map;
    return;
  }
  const value = readValue(type, reader, wire, depth);
  if (field.embedded) Object.assign(out, value);
  else if (!silent(value, name)) out[name] = value;
}

const schemaType: ShapeType = { of: "named", file: "jsonschema", name: "JSONSchemaProps", mods: {} };

const varint = (leaf: string): boolean => leaf === "int" || leaf === "int64" || leaf === "bool";

/** Go writes zero values of fields that were never set. */
const silent = (value: unknown, name: string): boolean =>
  value === undefined || value === "" || ((value === 0 || value === false) && !meaningful.has(name));

function readEntry(type: ShapeType, bytes: Uint8Array, depth: number): [string, unknown] {
  const reader = new BinaryReader(bytes);
  let key = "";
  let value: unknown = type.of === "list" ? [] : "";
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 1) key = reader.string();
    else if (number !== 2) reader.skip(wire, number);
    // A list as the value of a map is a message around it.
    else if (type.of === "list") value = readList(type.inner, reader.bytes(), depth + 1);
    else value = readValue(type, reader, wire, depth) ?? "";
  }
  return [key, value];
}

function readList(type: ShapeType, bytes: Uint8Array, depth: number): unknown[] {
  const reader = new BinaryReader(bytes);
  const list: unknown[] = [];
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 1) list.push(readValue(type, reader, wire, depth));
    else reader.skip(wire, number);
  }
  return list;
}

function readValue(type: ShapeType, reader: BinaryReader, wire: WireType, depth: number): unknown {
  if (type.of === "named") {
    const message = readMessage(shapeOf(type.file, type.name), reader.bytes(), depth + 1);
    // JSON has the schema itself, or a yes or no, where protobuf has a message around them.
    return type.name.startsWith("JSONSchemaPropsOr") ? (message["schema"] ?? message["allows"]) : message;
  }
  if (type.of === "object") return readMessage(type.fields, reader.bytes(), depth + 1);
  if (type.of !== "leaf") throw new Error("a list of lists");
  const number = varint(type.name);
  if (type.name !== "number" && wire !== (number ? WireType.Varint : WireType.LengthDelimited))
    throw new Error(`a field of type ${type.name} has wire type ${wire}`);
  return leaves[type.name]!(reader);
}

/** Bytes come out as base64, as JSON has them. */
const leaves: Readonly<Record<string, (reader: BinaryReader) => unknown>> = {
  string: (r) => r.string(),
  bytes: (r) => Buffer.from(r.bytes()).toString("base64"),
  int: (r) => Number(r.int64()),
  int64: (r) => Number(r.int64()),
  bool: (r) => r.bool(),
  number: (r) => r.double(),
  time: (r) => time(r.bytes(), 0),
  microtime: (r) => time(r.bytes(), 6),
  quantity: (r) => scalars(r.bytes())[1],
  intstr(r) {
    const [, type, int, text] = scalars(r.bytes());
    const chosen = type === 1 ? text : int;
    // Go sends the zero IntOrString for "not set".
    return chosen === 0 || chosen === undefined ? undefined : chosen;
  },
  // FieldsV1, RawExtension and JSON hold JSON text in field 1.
  any(r) {
    const text = scalars(r.bytes())[1];
    return typeof text === "string" && text !== "" ? JSON.parse(text) : undefined;
  },
};

/** The scalar fields of a small message, by their number. */
function scalars(bytes: Uint8Array): (string | number | undefined)[] {
  const reader = new BinaryReader(bytes);
  const out: (string | number | undefined)[] = [];
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number > 3) reader.skip(wire, number);
    else if (wire === WireType.Varint) out[number] = Number(reader.int64());
    else out[number] = reader.string();
  }
  return out;
}

function time(bytes: Uint8Array, digits: number): string | undefined {
  const [, seconds, nanos] = scalars(bytes);
  if (typeof seconds !== "number") return undefined;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (digits === 0) return `${text}Z`;
  return `${text}.${String(nanos ?? 0)
    .padStart(9, "0")
    .slice(0, digits)}Z`;
}
