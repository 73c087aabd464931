/** Refuses every field that is set and not in the table of supported ones, so that nothing is silently ignored. */
import type { Message } from "@bufbuild/protobuf";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type ReflectList, type ReflectMap, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { extensionRegistry, unpackAny } from "./any.ts";
import type { Findings, Path } from "./path.ts";
import { type Rule, supported } from "./supported.ts";
import { noteWait } from "./waits.ts";

/** Nested messages of one resource; Envoy's decoder allows 100. */
export const maxDepth = 100;

/** Reports unsupported and unknown fields of `message` and of all that it holds. */
export function checkFields(desc: DescMessage, message: Message, path: Path, findings: Findings): void {
  walk(reflect(desc, message), path, findings, 0);
}

function walk(message: ReflectMessage, path: Path, findings: Findings, depth: number): void {
  const rules = supported[message.desc.typeName];
  if (!rules || depth > maxDepth) {
    findings.error(path, rules ? "nested too deeply" : `${message.desc.typeName} is not supported`);
    return;
  }
  noteWait(message.message, findings.waits);
  for (const unknown of message.message.$unknown ?? [])
    findings.error(
      path,
      `field number ${unknown.no} of ${message.desc.typeName} is not known to this version`,
    );
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const at = path.at(field.name);
    const rule = rules[field.name];
    const wrong = refuse(rule, message, field);
    if (wrong !== undefined) findings.error(at, wrong);
    else if (rule === "acts") descend(message, field, at, findings, depth);
  }
}

function refuse(rule: Rule | undefined, message: ReflectMessage, field: DescField): string | undefined {
  if (rule === undefined) return "this field is not supported";
  if (typeof rule !== "object" || !("only" in rule)) return undefined;
  const value: unknown = message.get(field);
  return rule.only(isReflect(value) && "value" in value.message ? value.message.value : value);
}

function isReflect(value: unknown): value is ReflectMessage {
  return typeof value === "object" && value !== null && "message" in value && "desc" in value;
}

function descend(
  message: ReflectMessage,
  field: DescField,
  at: Path,
  findings: Findings,
  depth: number,
): void {
  if (field.fieldKind === "message") {
    if (!isLeaf(field.message)) enter(message.get(field), at, findings, depth);
  } else if (field.fieldKind === "list" && field.listKind === "message") {
    if (isLeaf(field.message)) return;
    let i = 0;
    for (const item of message.get(field) as ReflectList<ReflectMessage>)
      enter(item, at.at(i++), findings, depth);
  } else if (field.fieldKind === "map" && field.mapKind === "message") {
    if (isLeaf(field.message) || field.mapKey !== ScalarType.STRING) return;
    for (const [key, item] of message.get(field) as ReflectMap<string, ReflectMessage>)
      enter(item, at.at(key), findings, depth);
  }
}

/** Well-known types have no fields of Envoy's; Any is entered. */
function isLeaf(desc: DescMessage): boolean {
  return desc.typeName.startsWith("google.protobuf.") && desc.typeName !== AnySchema.typeName;
}

function enter(message: ReflectMessage, at: Path, findings: Findings, depth: number): void {
  if (message.desc.typeName !== AnySchema.typeName) {
    walk(message, at, findings, depth + 1);
    return;
  }
  const inner = unpackAny(message.message as Any);
  if (typeof inner === "string") {
    findings.error(at, inner);
    return;
  }
  const desc = extensionRegistry.getMessage(inner.$typeName);
  const keys = at.keys();
  const last = keys[keys.length - 1];
  const named = typeof last === "string" && last === "typed_config" ? at.retype(inner.$typeName) : at;
  if (desc) walk(reflect(desc, inner), named, findings, depth + 1);
}
