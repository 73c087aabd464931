/** Structural schemas: the part of OpenAPI v3 that Kubernetes uses, and how values are checked against them. */

/** A cause of a refusal, as in Status.details.causes. `field` is a path like `spec.http[0].route[1]`. */
export interface Cause {
  readonly field: string;
  readonly message: string;
  readonly reason: string;
}

/** How lists merge in a strategic merge patch: by key, or as a set of scalars. Without it they are replaced. */
export interface Schema {
  readonly type?: "object" | "array" | "string" | "number" | "integer" | "boolean";
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  /** Schema of the values of a map. */
  readonly additionalProperties?: Schema;
  readonly enum?: readonly string[];
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly nullable?: boolean;
  /** A number or a string (`x-kubernetes-int-or-string`). */
  readonly intOrString?: boolean;
  /** Anything goes, unknown fields are kept (`x-kubernetes-preserve-unknown-fields`). */
  readonly anything?: boolean;
  /** Repeats what surrounds it: where schemas are written out, it is an object of unknown fields. */
  readonly recursive?: boolean;
  readonly mergeKey?: string;
  readonly mergeSet?: boolean;
}

export const string = (description?: string): Schema => ({
  type: "string",
  ...(description && { description }),
});
export const boolean = (description?: string): Schema => ({
  type: "boolean",
  ...(description && { description }),
});
export const integer = (minimum?: number, maximum?: number): Schema => ({
  type: "integer",
  ...(minimum !== undefined && { minimum }),
  ...(maximum !== undefined && { maximum }),
});
export const number = (minimum?: number): Schema => ({
  type: "number",
  ...(minimum !== undefined && { minimum }),
});
export const oneOf = (...values: string[]): Schema => ({ type: "string", enum: values });
export const array = (items: Schema, mergeKey?: string): Schema => ({
  type: "array",
  items,
  ...(mergeKey && { mergeKey }),
});
export const map = (values: Schema): Schema => ({ type: "object", additionalProperties: values });
export const object = (
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
  description?: string,
): Schema => ({
  type: "object",
  properties,
  ...(required.length > 0 && { required }),
  ...(description && { description }),
});

/** What a walk over a value found. */
export interface Findings {
  readonly causes: Cause[];
  /** Paths of fields that the schema does not know. */
  readonly unknown: string[];
}

/** Errors after this many are not looked for: nobody reads them, and they cost memory. */
export const MAX_CAUSES = 64;
/** A document nested deeper than this is refused. */
export const MAX_DEPTH = 64;

/** Checks a value against a schema. Missing and null values are allowed unless required. */
export function check(schema: Schema, value: unknown, path: string, found: Findings, depth = 0): void {
  if (found.causes.length >= MAX_CAUSES || schema.anything) return;
  if (value === undefined || value === null) return;
  if (depth > MAX_DEPTH) {
    found.causes.push({
      field: path,
      message: `nested deeper than ${MAX_DEPTH} levels`,
      reason: "FieldValueInvalid",
    });
    return;
  }
  if (!checkType(schema, value, path, found)) return;
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      if (schema.items) check(schema.items, item, `${path}[${i}]`, found, depth + 1);
    });
  } else if (typeof value === "object")
    checkObject(schema, value as Record<string, unknown>, path, found, depth);
  else checkScalar(schema, value, path, found);
}

/** `a.b`, or `a[b.c]` for keys that a path could not tell apart, as Kubernetes writes map keys. */
export function childPath(path: string, key: string): string {
  if (!/^[A-Za-z0-9_$-]+$/.test(key)) return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
}

function checkObject(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  path: string,
  found: Findings,
  depth: number,
): void {
  for (const name of schema.required ?? []) {
    if (value[name] === undefined || value[name] === null) {
      found.causes.push({
        field: childPath(path, name),
        message: "Required value",
        reason: "FieldValueRequired",
      });
    }
  }
  for (const key of Object.keys(value)) {
    const known =
      schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    const of = known ?? schema.additionalProperties;
    const at = childPath(path, key);
    if (of) check(of, value[key], at, found, depth + 1);
    else if (found.unknown.length < MAX_CAUSES) found.unknown.push(at);
  }
}

function checkType(schema: Schema, value: unknown, path: string, found: Findings): boolean {
  const actual = Array.isArray(value) ? "array" : typeof value;
  const invalid = (want: string): false => {
    found.causes.push({
      field: path,
      message: `Invalid value: ${quote(value)}: ${path} in body must be of type ${want}: "${actual}"`,
      reason: "FieldValueTypeInvalid",
    });
    return false;
  };
  if (schema.intOrString) {
    return (
      actual === "string" || (actual === "number" && Number.isInteger(value)) || invalid("integer,string")
    );
  }
  if (schema.type === "integer")
    return (actual === "number" && Number.isInteger(value)) || invalid("integer");
  if (schema.type !== undefined && schema.type !== actual) return invalid(schema.type);
  return true;
}

function checkScalar(schema: Schema, value: unknown, path: string, found: Findings): void {
  if (schema.enum && !schema.enum.includes(value as string)) {
    found.causes.push({
      field: path,
      message: `Unsupported value: ${quote(value)}: supported values: ${schema.enum.map((v) => `"${v}"`).join(", ")}`,
      reason: "FieldValueNotSupported",
    });
  }
  const [low, high] = [schema.minimum, schema.maximum];
  if (
    typeof value === "number" &&
    ((low !== undefined && value < low) || (high !== undefined && value > high))
  ) {
    const range =
      high === undefined ? `greater than or equal to ${low}` : `between ${low} and ${high}, inclusive`;
    found.causes.push({
      field: path,
      message: `Invalid value: ${value}: must be ${range}`,
      reason: "FieldValueInvalid",
    });
  }
  if (schema.format && typeof value === "string" && !formats[schema.format]?.test(value)) {
    found.causes.push({
      field: path,
      message: `Invalid value: ${quote(value)}: must be a ${formatNames[schema.format] ?? schema.format}`,
      reason: "FieldValueInvalid",
    });
  }
}

/** Simple, linear patterns; they run on values of bounded size. */
const formats: Readonly<Record<string, RegExp>> = {
  "date-time": /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/,
  byte: /^[A-Za-z0-9+/]*={0,2}$/,
  duration: /^(?:0|(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)$/,
};
const formatNames: Readonly<Record<string, string>> = {
  "date-time": "time in RFC 3339 format",
  byte: "base64 string",
  duration: 'duration such as "300ms" or "1h30m"',
};

const quote = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
};
