/** Whether a user's schema is structural: what Kubernetes asks of a CustomResourceDefinition. */
import type { OpenApiSchema } from "./from-openapi.ts";
import { type Cause, compilePattern, MAX_CAUSES } from "./schema.ts";

/** Nesting of a user's schema. */
export const MAX_SCHEMA_DEPTH = 100;
/** What a schema inside a combination may not say: it belongs outside of it. */
const outside = ["description", "type", "default", "additionalProperties", "nullable"] as const;
const types: readonly string[] = ["object", "array", "string", "integer", "number", "boolean"];

/** Causes why a schema is not structural. */
export function checkStructure(root: OpenApiSchema, path: string): Cause[] {
  const causes: Cause[] = [];
  if (root.type !== "object")
    causes.push({
      field: `${path}.type`,
      message: `Invalid value: ${JSON.stringify(root.type ?? "")}: must be object at the root`,
      reason: "FieldValueInvalid",
    });
  walk(root, path, causes, 0);
  return causes;
}

function walk(node: OpenApiSchema, path: string, causes: Cause[], depth: number): void {
  if (causes.length >= MAX_CAUSES) return;
  const add = (
    field: string,
    kind: "Required value" | "Forbidden" | "Invalid value" | "Unsupported value",
    why: string,
  ) => causes.push({ field: `${path}.${field}`, message: `${kind}: ${why}`, reason: reasons[kind] });
  if (depth > MAX_SCHEMA_DEPTH) {
    add("", "Forbidden", `nested deeper than ${MAX_SCHEMA_DEPTH} levels`);
    return;
  }
  const free =
    node["x-kubernetes-preserve-unknown-fields"] === true || node["x-kubernetes-int-or-string"] === true;
  if (node.type === undefined && !free && depth > 0)
    add("type", "Required value", `must not be empty for specified ${depth > 0 ? "object fields" : "root"}`);
  if (node.type !== undefined && !types.includes(node.type))
    add(
      "type",
      "Unsupported value",
      `${JSON.stringify(node.type)}: supported values: ${types.map((t) => `"${t}"`).join(", ")}`,
    );
  if (node["$ref"] !== undefined) add("$ref", "Forbidden", "$ref is not supported");
  if (node.type === "array" && !node.items) add("items", "Required value", "must be specified");
  if (node.properties && node.additionalProperties !== undefined && node.additionalProperties !== false)
    add("additionalProperties", "Forbidden", "additionalProperties and properties are mutual exclusive");
  if (node.additionalProperties === false)
    add("additionalProperties", "Forbidden", "additionalProperties cannot be set to false");
  if (node["uniqueItems"] === true)
    add(
      "uniqueItems",
      "Forbidden",
      "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
    );
  const keys = node["x-kubernetes-list-map-keys"];
  if (node["x-kubernetes-list-type"] === "map") {
    if (!keys?.length)
      add(
        "x-kubernetes-list-map-keys",
        "Required value",
        "must not be empty if x-kubernetes-list-type is map",
      );
    for (const key of keys ?? [])
      if (!node.items?.properties?.[key])
        add(
          "x-kubernetes-list-map-keys",
          "Invalid value",
          `${JSON.stringify(key)}: entries must all be names of item properties`,
        );
  }
  const pattern = node["pattern"];
  if (typeof pattern === "string" && pattern !== "" && !compilePattern(pattern))
    add(
      "pattern",
      "Invalid value",
      `${JSON.stringify(pattern.slice(0, 200))}: must be a valid regular expression in RE2 syntax`,
    );
  for (const [name, inner] of Object.entries(node.properties ?? {}))
    walk(inner, `${path}.properties[${name}]`, causes, depth + 1);
  if (node.items) walk(node.items, `${path}.items`, causes, depth + 1);
  if (typeof node.additionalProperties === "object")
    walk(node.additionalProperties, `${path}.additionalProperties`, causes, depth + 1);
  for (const key of ["allOf", "anyOf", "oneOf"] as const)
    for (const [i, inner] of (node[key] ?? []).entries())
      if (!(node["x-kubernetes-int-or-string"] && key !== "oneOf"))
        inside(inner, `${path}.${key}[${i}]`, causes);
  if (node.not) inside(node.not, `${path}.not`, causes);
}

const reasons = {
  "Required value": "FieldValueRequired",
  Forbidden: "FieldValueForbidden",
  "Invalid value": "FieldValueInvalid",
  "Unsupported value": "FieldValueNotSupported",
} as const;

function inside(node: OpenApiSchema, path: string, causes: Cause[]): void {
  for (const key of outside) {
    if (node[key] === undefined) continue;
    causes.push({
      field: `${path}.${key}`,
      message: "Forbidden: must be empty to be structural",
      reason: "FieldValueForbidden",
    });
  }
  for (const [name, inner] of Object.entries(node.properties ?? {}))
    inside(inner, `${path}.properties[${name}]`, causes);
  if (node.items) inside(node.items, `${path}.items`, causes);
}
