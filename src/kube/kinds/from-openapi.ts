/** A user's OpenAPI v3 schema in our words. */
import type { Schema } from "./schema.ts";

export interface OpenApiSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, OpenApiSchema>>;
  readonly items?: OpenApiSchema;
  readonly additionalProperties?: OpenApiSchema | boolean;
  readonly allOf?: readonly OpenApiSchema[];
  readonly anyOf?: readonly OpenApiSchema[];
  readonly oneOf?: readonly OpenApiSchema[];
  readonly not?: OpenApiSchema;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-map-type"?: "atomic" | "granular";
  readonly "x-kubernetes-validations"?: unknown;
  readonly [keyword: string]: unknown;
}

const plain = [
  "description",
  "required",
  "enum",
  "format",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "pattern",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "nullable",
  "default",
] as const;

/** Converts a node and all below it. */
export function fromOpenApi(node: OpenApiSchema): Schema {
  const out: Record<string, unknown> = {};
  for (const key of plain) if (node[key] !== undefined) out[key] = node[key];
  const free = node["x-kubernetes-preserve-unknown-fields"] === true;
  if (node["x-kubernetes-int-or-string"]) out["intOrString"] = true;
  else if (node.type) out["type"] = node.type;
  if (free) out["anything"] = true;
  if (node["x-kubernetes-embedded-resource"]) out["embedded"] = true;
  if (node["x-kubernetes-list-type"]) out["listType"] = node["x-kubernetes-list-type"];
  if (node["x-kubernetes-list-map-keys"]) out["listKeys"] = node["x-kubernetes-list-map-keys"];
  if (node["x-kubernetes-map-type"] === "atomic") out["atomic"] = true;
  if (node.properties) {
    out["properties"] = Object.fromEntries(
      Object.entries(node.properties).map(([name, inner]) => [name, fromOpenApi(inner)]),
    );
  }
  if (node.items) out["items"] = fromOpenApi(node.items);
  const more = node.additionalProperties;
  if (more !== undefined && more !== false)
    out["additionalProperties"] = more === true ? { anything: true } : fromOpenApi(more);
  for (const key of ["allOf", "anyOf", "oneOf"] as const) {
    // `anyOf: integer, string` only repeats what int-or-string says.
    if (node[key] && !(key === "anyOf" && out["intOrString"]))
      out[key] = node[key].map((n) => branch(fromOpenApi(n)));
  }
  if (node.not) out["not"] = branch(fromOpenApi(node.not));
  // A free object without fields of its own takes anything; with bounds it is still an object.
  if (free && !node.properties && node.type === "object" && !more) out["properties"] = {};
  return out;
}

/** A branch of a combination says nothing of fields that it does not name. */
function branch(schema: Schema): Schema {
  const { properties, items } = schema;
  return {
    ...schema,
    ...((properties || schema.required || schema.not) && { anything: true, properties: mapped(properties) }),
    ...(items && { items: branch(items) }),
  };
}
const mapped = (properties: Schema["properties"]): Record<string, Schema> =>
  Object.fromEntries(Object.entries(properties ?? {}).map(([k, v]) => [k, branch(v)]));
