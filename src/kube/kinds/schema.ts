/** Structural schemas: the part of OpenAPI v3 that Kubernetes uses, and how values are checked against them. */

import { RE2JS } from "re2js";

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
  /** Values of the type that the schema has. */
  readonly enum?: readonly (string | number)[];
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
  /** An amount such as `500m` or `1Gi`: a number or a string. */
  readonly quantity?: boolean;
  readonly pattern?: string;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  /** Filled in where the author is silent. */
  readonly default?: unknown;
  /** How a list has its fields owned by server-side apply; atomic where absent. */
  readonly listType?: "atomic" | "set" | "map";
  readonly listKeys?: readonly string[];
  /** A map or object with one owner (`x-kubernetes-map-type: atomic`). */
  readonly atomic?: boolean;
  /** An object with apiVersion, kind and metadata of its own (`x-kubernetes-embedded-resource`). */
  readonly embedded?: boolean;
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
  /** A null where the schema does not allow one is wrong; else it counts as absent. */
  readonly strictNull?: boolean;
  /** Messages name the type of a wrong value, as an API server does, and not the value, which helps people more. */
  readonly namesTypes?: boolean;
}

/** Fields that an embedded object has without its schema saying so. */
const EMBEDDED: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** Errors after this many are not looked for: nobody reads them, and they cost memory. */
export const MAX_CAUSES = 64;
/** A document nested deeper than this is refused. */
export const MAX_DEPTH = 64;

/** Checks a value against a schema. Missing and null values are allowed unless required. */
export function check(schema: Schema, value: unknown, path: string, found: Findings, depth = 0): void {
  if (found.causes.length >= MAX_CAUSES || (schema.anything && !schema.properties)) return;
  if (value === null && found.strictNull && !schema.nullable && schema.type) {
    found.causes.push(
      wrong(
        path,
        `Invalid value: "null": ${path} in body must be of type ${schema.type}: "null"`,
        "FieldValueTypeInvalid",
      ),
    );
  }
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
  checkConstraints(schema, value, path, found);
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
    else if (!schema.anything && !(schema.embedded && EMBEDDED.has(key)) && found.unknown.length < MAX_CAUSES)
      found.unknown.push(at);
  }
}

function checkType(schema: Schema, value: unknown, path: string, found: Findings): boolean {
  const actual = Array.isArray(value) ? "array" : typeof value;
  const invalid = (want: string): false => {
    found.causes.push({
      field: path,
      message: `Invalid value: ${found.namesTypes ? `"${actual}"` : quote(value)}: ${path} in body must be of type ${want}: "${actual}"`,
      reason: "FieldValueTypeInvalid",
    });
    return false;
  };
  if (schema.intOrString) {
    return (
      actual === "string" || (actual === "number" && Number.isInteger(value)) || invalid("integer,string")
    );
  }
  if (schema.quantity) {
    const fits = actual === "number" || (actual === "string" && isQuantity(value as string));
    return fits || invalid("quantity");
  }
  if (schema.type === "integer")
    return (actual === "number" && Number.isInteger(value)) || invalid("integer");
  if (schema.type !== undefined && schema.type !== actual) return invalid(schema.type);
  return true;
}

function checkScalar(schema: Schema, value: unknown, path: string, found: Findings): void {
  if (schema.enum && !schema.enum.includes(value as string | number)) {
    found.causes.push({
      field: path,
      message: `Unsupported value: ${quote(value)}: supported values: ${schema.enum.map((v) => JSON.stringify(`${v}`)).join(", ")}`,
      reason: "FieldValueNotSupported",
    });
  }
  if (schema.format && typeof value === "string" && formats[schema.format]?.test(value) === false) {
    found.causes.push({
      field: path,
      message: `Invalid value: ${quote(value)}: must be a ${formatNames[schema.format] ?? schema.format}`,
      reason: "FieldValueInvalid",
    });
  }
}

/** A decimal number with an SI or binary suffix, as resource.Quantity has it. */
export const isQuantity = (text: string): boolean =>
  /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/.test(text);

/** Simple, linear patterns; they run on values of bounded size. */
const formats: Readonly<Record<string, RegExp>> = {
  "date-time": /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/,
  byte: /^[A-Za-z0-9+/]*={0,2}$/,
  date: /^\d{4}-\d\d-\d\d$/,
  uuid: /^[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$/,
  ipv4: /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/,
  ipv6: /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]+$/,
  email: /^[^@\s]+@[^@\s]+$/,
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

const wrong = (field: string, message: string, reason = "FieldValueInvalid"): Cause => ({
  field,
  message,
  reason,
});

/** Bounds, patterns and combinations of a well-typed value. */
function checkConstraints(schema: Schema, value: unknown, path: string, found: Findings): void {
  if (typeof value === "string") found.causes.push(...checkText(schema, value, path));
  else if (typeof value === "number")
    found.causes.push(...checkNumber(schema, value, path, found.strictNull === true));
  else if (Array.isArray(value)) found.causes.push(...checkItems(schema, value, path));
  else if (typeof value === "object") found.causes.push(...checkSize(schema, value as object, path));
  checkCombinations(schema, value, path, found);
}

function checkText(schema: Schema, value: string, path: string): Cause[] {
  const causes: Cause[] = [];
  const { minLength: low, maxLength: high, pattern } = schema;
  const length = low !== undefined || high !== undefined ? [...value].length : 0;
  if (low !== undefined && length < low) {
    causes.push(
      wrong(path, `Invalid value: ${quote(value)}: ${path} in body should be at least ${low} chars long`),
    );
  }
  if (high !== undefined && length > high) {
    causes.push(wrong(path, `Too long: may not be more than ${high} bytes`, "FieldValueTooLong"));
  }
  if (pattern !== undefined && !matches(pattern, value)) {
    causes.push(
      wrong(path, `Invalid value: ${quote(value)}: ${path} in body should match '${pattern.slice(0, 300)}'`),
    );
  }
  return causes;
}

function checkNumber(schema: Schema, value: number, path: string, defined: boolean): Cause[] {
  const { minimum: low, maximum: high, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const under = low !== undefined && (exclusiveMinimum ? value <= low : value < low);
  const over = high !== undefined && (exclusiveMaximum ? value >= high : value > high);
  if (under || over) {
    const range =
      low !== undefined && high !== undefined
        ? `between ${low} and ${high}, inclusive`
        : under
          ? `greater than ${exclusiveMinimum ? "" : "or equal to "}${low}`
          : `less than ${exclusiveMaximum ? "" : "or equal to "}${high}`;
    // Kubernetes judges its own kinds and those of users in different words.
    const text = defined
      ? `${path} in body should be ${under ? "greater" : "less"} than ${(under ? exclusiveMinimum : exclusiveMaximum) ? "" : "or equal to "}${under ? low : high}`
      : `must be ${range}`;
    return [wrong(path, `Invalid value: ${value}: ${text}`)];
  }
  if (multipleOf !== undefined && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9) {
    return [wrong(path, `Invalid value: ${value}: ${path} in body should be a multiple of ${multipleOf}`)];
  }
  return [];
}

function checkItems(schema: Schema, value: readonly unknown[], path: string): Cause[] {
  const causes: Cause[] = [];
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    causes.push(
      wrong(
        path,
        `Invalid value: ${value.length}: ${path} in body should have at least ${schema.minItems} items`,
      ),
    );
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    causes.push(
      wrong(
        path,
        `Too many: ${value.length}: must have at most ${schema.maxItems} items`,
        "FieldValueTooMany",
      ),
    );
    return causes;
  }
  if (schema.listType !== "set" && schema.listType !== "map" && !schema.uniqueItems) return causes;
  const seen = new Set<string>();
  for (const [i, item] of value.entries()) {
    const entry = (item ?? {}) as Readonly<Record<string, unknown>>;
    const of = (key: string): unknown => entry[key] ?? schema.items?.properties?.[key]?.default;
    const key = JSON.stringify(schema.listType === "map" ? schema.listKeys!.map(of) : item);
    if (seen.has(key)) {
      const shown =
        schema.listType === "map"
          ? JSON.stringify(Object.fromEntries(schema.listKeys!.map((k) => [k, of(k)])))
          : key;
      causes.push(wrong(`${path}[${i}]`, `Duplicate value: ${shown.slice(0, 200)}`, "FieldValueDuplicate"));
    }
    seen.add(key);
  }
  return causes;
}

function checkSize(schema: Schema, value: object, path: string): Cause[] {
  const { minProperties: low, maxProperties: high } = schema;
  if (low === undefined && high === undefined) return [];
  const count = Object.keys(value).length;
  if (low !== undefined && count < low)
    return [wrong(path, `Invalid value: ${count}: ${path} in body should have at least ${low} properties`)];
  if (high !== undefined && count > high)
    return [wrong(path, `Too many: ${count}: must have at most ${high} items`, "FieldValueTooMany")];
  return [];
}

function checkCombinations(schema: Schema, value: unknown, path: string, found: Findings): void {
  if (!schema.allOf && !schema.anyOf && !schema.oneOf && !schema.not) return;
  const causesOf = (branch: Schema): Cause[] => {
    const inner: Findings = { causes: [], unknown: [] };
    check(branch, value, path, inner, MAX_DEPTH / 2);
    return inner.causes;
  };
  for (const branch of schema.allOf ?? []) found.causes.push(...causesOf(branch));
  const say = (which: string): void => {
    found.causes.push(wrong(path, `Invalid value: ${quote("")}: "${path}" ${which}`));
  };
  if (schema.anyOf && !schema.anyOf.some((b) => causesOf(b).length === 0))
    say("must validate at least one schema (anyOf)");
  if (schema.oneOf) {
    const valid = schema.oneOf.filter((b) => causesOf(b).length === 0).length;
    if (valid !== 1)
      say(
        `must validate one and only one schema (oneOf). Found ${valid === 0 ? "none valid" : `${valid} valid alternatives`}`,
      );
  }
  if (schema.not && causesOf(schema.not).length === 0) say("must not validate the schema (not)");
}

/** Patterns come from users' own definitions: RE2 keeps them linear, and the cache small. */
const MAX_PATTERNS = 2_000;
const patterns = new Map<string, RE2JS | undefined>();

export function compilePattern(pattern: string): RE2JS | undefined {
  if (!patterns.has(pattern)) {
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    let compiled: RE2JS | undefined;
    try {
      compiled = RE2JS.compile(pattern);
    } catch {
      compiled = undefined;
    }
    patterns.set(pattern, compiled);
  }
  return patterns.get(pattern);
}
const matches = (pattern: string, value: string): boolean =>
  compilePattern(pattern)?.matcher(value).find() ?? true;
