/** Removes what a schema does not know, as Kubernetes does before it stores an object. */
import type { Schema } from "../kinds/index.ts";

const EMBEDDED: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** A copy without unknown fields; null fields of objects are dropped too unless the schema allows null. */
export function prune(schema: Schema | undefined, value: unknown): unknown {
  if (!schema || (schema.anything && !schema.properties) || value === null || typeof value !== "object")
    return value;
  if (Array.isArray(value)) return value.map((item) => prune(schema.items, item));
  const out: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const known =
      schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    const of = known ?? schema.additionalProperties;
    if (!of && (schema.anything || (schema.embedded && EMBEDDED.has(key)))) {
      out[key] = field;
      continue;
    }
    if (!of || key === "__proto__" || (field === null && !of.nullable && known)) continue;
    out[key] = prune(of, field);
  }
  return out;
}
