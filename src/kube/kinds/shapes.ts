/**
 * Reads shapes/*.txt: one type a paragraph, one field a line, deeper lines belong to the object above them.
 *   Container                          a type
 *    ... 1 ProbeHandler                fields of another type stand here (protobuf: message 1)
 *    name! 1 string len=1..            required, protobuf field 1, a bound
 *    ports 6 [ContainerPort] map(containerPort,protocol) merge(containerPort)
 *    labels {string}                   a map
 * `!` required; `file:Type` names a type of another file; `= {json}` a default; `+ {json}` combinations (oneOf...).
 * Files are parsed at first use: processes that store nothing pay for the texts only.
 */
import { metadataSchema } from "./meta.ts";
import type { Schema } from "./schema.ts";
import { shapeFiles } from "./shape-files.ts";

/** One value in JSON, whatever it is in protobuf. */
const leaves: Readonly<Record<string, Schema>> = {
  string: { type: "string" },
  int: { type: "integer" },
  int64: { type: "integer" },
  integer: { type: "integer" },
  number: { type: "number" },
  bool: { type: "boolean" },
  bytes: { type: "string", format: "byte" },
  time: { type: "string", format: "date-time" },
  microtime: { type: "string", format: "date-time", nullable: true },
  quantity: { quantity: true },
  intstr: { intOrString: true },
  any: { anything: true },
};

/** The type of a field: a leaf, a named type, a struct in place, or a list or map of one of them. */
export type ShapeType =
  | { readonly of: "leaf"; readonly name: string; readonly mods: Schema }
  | { readonly of: "named"; readonly file: string; readonly name: string; readonly mods: Schema }
  | { readonly of: "object"; readonly fields: ShapeField[]; readonly mods: Schema }
  | { readonly of: "list" | "map"; readonly inner: ShapeType; readonly mods: Schema };

export interface ShapeField {
  readonly name: string;
  readonly required: boolean;
  /** Protobuf field number; undefined for kinds without protobuf. */
  readonly number: number | undefined;
  readonly type: ShapeType;
  /** The fields of the type stand in place of this one. */
  readonly embedded: boolean;
}

const parsed = new Map<string, Map<string, ShapeField[]>>();

/** Fields of a type; throws for a type that is not there: the tables that name types are constants. */
export function shapeOf(file: string, name: string): readonly ShapeField[] {
  let types = parsed.get(file);
  if (!types) {
    const text = shapeFiles[file];
    if (text === undefined) throw new Error(`no shapes ${file}`);
    types = parseFile(file, text);
    parsed.set(file, types);
  }
  const fields = types.get(name);
  if (!fields) throw new Error(`no shape ${file}:${name}`);
  return fields;
}

function parseFile(file: string, text: string): Map<string, ShapeField[]> {
  const types = new Map<string, ShapeField[]>();
  for (const block of text.trim().split("\n\n")) {
    const [head = "", ...lines] = block.split("\n");
    const [name = "", alias] = head.split(" = ");
    types.set(name, alias ? (types.get(alias) ?? []) : parseLines(file, lines));
    if (alias && !types.has(alias)) {
      const target = new RegExp(
        `(?:^|\\n\\n)${alias.replaceAll(".", "\\.")}\\n([\\s\\S]*?)(?:\\n\\n|$)`,
      ).exec(text);
      types.set(name, parseLines(file, (target?.[1] ?? "").trimEnd().split("\n")));
    }
  }
  return types;
}

function parseLines(file: string, lines: readonly string[]): ShapeField[] {
  const root: ShapeField[] = [];
  const open: ShapeField[][] = [root];
  for (const line of lines) {
    const depth = /^ */.exec(line)![0].length;
    const words = split(line.slice(depth));
    const [first = "", second = ""] = words;
    const embedded = first === "...";
    const numbered = /^\d+$/.test(second);
    const required = first.endsWith("!");
    const type = parseType(file, words.slice(numbered ? 2 : 1));
    const field: ShapeField = {
      name: required ? first.slice(0, -1) : first,
      required,
      number: numbered ? Number(second) : undefined,
      type,
      embedded,
    };
    open[depth - 1]!.push(field);
    const inside = structOf(type);
    if (inside) open[depth] = inside;
  }
  return root;
}

function structOf(type: ShapeType): ShapeField[] | undefined {
  if (type.of === "object") return type.fields;
  return type.of === "list" || type.of === "map" ? structOf(type.inner) : undefined;
}

/** Splits at spaces outside of brackets, braces and strings. */
function split(text: string): string[] {
  const words: string[] = [];
  let from = 0;
  let depth = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === '"') for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
    if (c === "[" || c === "{") depth++;
    else if (c === "]" || c === "}") depth--;
    else if ((c === " " && depth === 0) || c === undefined) {
      if (i > from) words.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return words;
}

function parseType(file: string, words: readonly string[]): ShapeType {
  const [word = "", ...rest] = words;
  const mods = parseMods(rest);
  if (word.startsWith("[")) return { of: "list", inner: parseType(file, split(word.slice(1, -1))), mods };
  if (word.startsWith("{")) return { of: "map", inner: parseType(file, split(word.slice(1, -1))), mods };
  if (word === "object") return { of: "object", fields: [], mods };
  if (leaves[word]) return { of: "leaf", name: word, mods: typed(leaves[word], mods) };
  const [a = "", b] = word.split(":");
  return b === undefined ? { of: "named", file, name: a, mods } : { of: "named", file: a, name: b, mods };
}

/** Numbers in an enumeration of numbers: its text does not say which they are. */
function typed(leaf: Schema, mods: Schema): Schema {
  const numbers = leaf.type === "integer" || leaf.type === "number";
  return mods.enum && numbers ? { ...mods, enum: mods.enum.map(Number) } : mods;
}

function parseMods(words: readonly string[]): Schema {
  const out: Record<string, unknown> = {};
  for (const word of words) {
    const [, name = "", rest = ""] = /^([a-z]+|=|\+)(.*)$/s.exec(word) ?? [];
    const args = rest.startsWith("(") ? rest.slice(1, -1).split(",") : [];
    if (name === "=") out["default"] = JSON.parse(rest);
    else if (name === "+") Object.assign(out, JSON.parse(rest));
    else if (name === "null") out["nullable"] = true;
    else if (name === "atomic") out["atomic"] = true;
    else if (name === "set") out["listType"] = "set";
    else if (name === "map") Object.assign(out, { listType: "map", listKeys: args });
    else if (name === "merge") Object.assign(out, args[0] ? { mergeKey: args[0] } : { mergeSet: true });
    else if (name === "re") out["pattern"] = JSON.parse(rest.slice(1));
    else if (name === "enum") {
      out["enum"] = rest
        .slice(1)
        .split("|")
        .map((v) => (v.startsWith('"') ? JSON.parse(v) : v));
    } else {
      const bounds: Readonly<Record<string, readonly [string, string]>> = {
        range: ["minimum", "maximum"],
        len: ["minLength", "maxLength"],
        items: ["minItems", "maxItems"],
        props: ["minProperties", "maxProperties"],
      };
      const [low = "", high = ""] = rest.slice(1).split("..");
      if (low !== "") out[bounds[name]![0]] = Number(low);
      if (high !== "") out[bounds[name]![1]] = Number(high);
    }
  }
  return out;
}

const schemas = new Map<string, Schema>();
const names = new WeakMap<Schema, string>([
  [metadataSchema, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"],
]);

/** `core-v1.Container` for the schema of a named type: where schemas are written out, they can refer to it. */
export const shapeName = (schema: Schema): string | undefined => names.get(schema);

/** The structural schema of a type; the same object for each who asks. */
export function shapeSchema(file: string, name: string): Schema {
  const key = `${file}:${name}`;
  let schema = schemas.get(key);
  if (!schema) {
    schema = structSchema(shapeOf(file, name));
    schemas.set(key, schema);
    names.set(schema, `${file}.${name}`);
  }
  return schema;
}

function structSchema(fields: readonly ShapeField[], embeddedIn: Record<string, Schema> = {}): Schema {
  const required: string[] = [];
  for (const field of fields) {
    const schema = typeSchema(field.type);
    if (field.embedded) {
      Object.assign(embeddedIn, schema.properties);
      required.push(...(schema.required ?? []));
    } else {
      embeddedIn[field.name] = schema;
      if (field.required) required.push(field.name);
    }
  }
  return { type: "object", properties: embeddedIn, ...(required.length > 0 && { required }) };
}

function typeSchema(type: ShapeType): Schema {
  const plain = Object.keys(type.mods).length === 0;
  switch (type.of) {
    case "leaf":
      return plain ? leaves[type.name]! : { ...leaves[type.name], ...type.mods };
    case "named": {
      const named = shapeSchema(type.file, type.name);
      return plain ? named : { ...named, ...type.mods };
    }
    case "object":
      return { ...structSchema(type.fields), ...type.mods };
    case "list":
      return { type: "array", items: typeSchema(type.inner), ...type.mods };
    case "map":
      return { type: "object", additionalProperties: typeSchema(type.inner), ...type.mods };
  }
}
