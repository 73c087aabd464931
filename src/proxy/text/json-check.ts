/** Finds what protobuf's JSON reader would stumble over, with the field's path, which it does not tell. */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Registry,
} from "@bufbuild/protobuf";
import { extensionRegistry, type Findings, type Path } from "../compile/index.ts";
import { maxJsonDepth } from "./limits.ts";

const anyName = "google.protobuf.Any";

/** Checks `json` against the message type, and what each Any holds against the type that it names, in `registry`. */
export function checkJson(
  desc: DescMessage,
  json: JsonValue,
  path: Path,
  findings: Findings,
  registry: Registry = extensionRegistry,
  depth = 0,
): void {
  if (depth > maxJsonDepth) {
    findings.error(path, "nested too deeply");
    return;
  }
  if (desc.typeName === anyName) checkAny(json, path, findings, registry, depth);
  else if (desc.typeName.startsWith("google.protobuf.")) checkLeaf(desc, json, path, findings);
  else if (!isObject(json)) findings.error(path, `an object is expected here (${desc.name})`);
  else checkObject(desc, json, path, findings, registry, depth);
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function checkAny(json: JsonValue, path: Path, findings: Findings, registry: Registry, depth: number): void {
  const type = isObject(json) ? json["@type"] : undefined;
  if (!isObject(json) || typeof type !== "string") {
    findings.error(path, 'an object with "@type" is expected here');
    return;
  }
  const desc = registry.getMessage(type.slice(type.lastIndexOf("/") + 1));
  if (!desc) {
    findings.error(path.at("@type"), `type ${type} is not supported`);
    return;
  }
  const { "@type": _, ...rest } = json;
  checkObject(desc, rest, path.retype(desc.typeName), findings, registry, depth);
}

function checkObject(
  desc: DescMessage,
  json: JsonObject,
  path: Path,
  findings: Findings,
  registry: Registry,
  depth: number,
): void {
  const seen = new Map<DescField, string>();
  const oneofs = new Map<string, string>();
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find((f) => f.jsonName === key || f.name === key);
    const at = path.at(key);
    if (!field) {
      findings.error(at, `${desc.name} has no such field${suggestion(key, desc)}`);
      continue;
    }
    if (value === null) continue;
    const other = seen.get(field) ?? (field.oneof && oneofs.get(field.oneof.name));
    if (other !== undefined) findings.error(at, `cannot be set beside ${other}`);
    seen.set(field, key);
    if (field.oneof) oneofs.set(field.oneof.name, key);
    checkField(desc, field, key, value, at, findings, registry, depth);
  }
}

function checkField(
  desc: DescMessage,
  field: DescField,
  key: string,
  value: JsonValue,
  path: Path,
  findings: Findings,
  registry: Registry,
  depth: number,
): void {
  if (field.fieldKind === "message") checkJson(field.message, value, path, findings, registry, depth + 1);
  else if (field.fieldKind === "list" && field.listKind === "message") {
    if (!Array.isArray(value)) findings.error(path, "a list is expected here");
    else
      for (const [i, item] of value.entries())
        checkJson(field.message, item, path.at(i), findings, registry, depth + 1);
  } else if (field.fieldKind === "map" && field.mapKind === "message") {
    if (!isObject(value)) findings.error(path, "a map is expected here");
    else
      for (const [k, item] of Object.entries(value))
        checkJson(field.message, item, path.at(k), findings, registry, depth + 1);
  } else if (field.fieldKind === "enum" && !enumHas(field.enum, value)) {
    const names = field.enum.values.map((v) => v.name).join(", ");
    findings.error(path, `${JSON.stringify(value)} is not one of ${names}`);
  } else tryParse(() => fromJson(desc, { [key]: value }), path, findings);
}

function enumHas(desc: DescEnum, value: JsonValue): boolean {
  return desc.values.some((v) => v.name === value || v.number === value);
}

function checkLeaf(desc: DescMessage, json: JsonValue, path: Path, findings: Findings): void {
  tryParse(() => fromJson(desc, json), path, findings);
}

function tryParse(parse: () => unknown, path: Path, findings: Findings): void {
  try {
    parse();
  } catch (e) {
    const message = e instanceof Error ? e.message : String(e);
    findings.error(path, message.replace(/^cannot decode .*? from JSON:? ?/, "") || message);
  }
}

/** `; did you mean X?` where a field is one or two letters off. */
function suggestion(key: string, desc: DescMessage): string {
  let best = "";
  let least = 3;
  for (const { name } of desc.fields) {
    const d = distance(key.toLowerCase(), name, least);
    if (d < least) {
      least = d;
      best = name;
    }
  }
  return best === "" ? "" : `; did you mean ${best}?`;
}

/** Levenshtein's, or anything from `limit` up. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
