/** Defaults that a schema names, filled in where the author is silent. */
import type { Schema } from "./schema.ts";

/** A copy with defaults; what is there stays. A null that may not be is as good as silence where there is a default. */
export function fillDefaults(schema: Schema | undefined, value: unknown): unknown {
  if (!schema || value === null || typeof value !== "object") return value;
  if (Array.isArray(value))
    return schema.items ? value.map((item) => fillDefaults(schema.items, item)) : value;
  const given = value as Readonly<Record<string, unknown>>;
  const out: Record<string, unknown> = { ...given };
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const now = Object.hasOwn(given, name) ? given[name] : undefined;
    const silent = now === undefined || (now === null && !field.nullable);
    if (silent && field.default !== undefined)
      out[name] = fillDefaults(field, structuredClone(field.default));
    else if (now !== undefined) out[name] = fillDefaults(field, now);
  }
  if (schema.additionalProperties)
    for (const [name, field] of Object.entries(given))
      if (!schema.properties || !Object.hasOwn(schema.properties, name))
        out[name] = fillDefaults(schema.additionalProperties, field);
  return out;
}
