/** Whether an object is wrong in itself: schema, names, labels, rules of its kind. */
import { checkRules } from "./core-rules.ts";
import { applyDefaults } from "./defaults.ts";
import { checkDefinition, type Definition, definitionWarnings } from "./definition.ts";
import { checkIstio, type IstioKind } from "./istio-schema.ts";
import type { Kind } from "./kind.ts";
import { checkMetadata, metadataSchema, ownerCause } from "./meta.ts";
import { type Cause, check, type Findings, type Schema } from "./schema.ts";
import { kindOf, parseApiVersion } from "./table.ts";
import type { KubeObject } from "./types.ts";

export interface Validation {
  /** Why it is refused. */
  readonly causes: readonly Cause[];
  /** Fields that the schema does not know, for `fieldValidation`. */
  readonly unknown: readonly string[];
  /** What is accepted but worth a word. */
  readonly warnings: readonly string[];
}

/** The schema of a whole object of the kind. */
export async function objectSchema(kind: Kind, version?: string): Promise<Schema> {
  const schema = await kind.schema(version);
  return {
    ...schema,
    properties: {
      ...schema.properties,
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: metadataSchema,
    },
  };
}

/** Causes and unknown fields of an object, types first: only a well-typed object meets the other rules. */
export async function validate(kind: Kind, object: KubeObject, old?: KubeObject): Promise<Validation> {
  const version = parseApiVersion(object.apiVersion)?.version;
  const found: Findings = { causes: [], unknown: [], strictNull: kind.defined, namesTypes: true };
  check(await objectSchema(kind, version), object, "", found);
  if (found.causes.length > 0)
    return { causes: found.causes.map(ownerCause), unknown: found.unknown, warnings: [] };
  const causes = checkMetadata(object.metadata as unknown as Record<string, unknown>, kind.nameRule);
  if (
    kind.group.endsWith(".istio.io") &&
    !kind.defined &&
    object.spec !== undefined &&
    object.spec !== null
  ) {
    causes.push(...(await checkIstio(kind.kind as IstioKind, object.spec)));
  }
  causes.push(...checkRules(kind, object, old));
  if (kind.group !== "apiextensions.k8s.io") return { causes, unknown: found.unknown, warnings: [] };
  causes.push(...checkDefinition(object as Definition, old as Definition | undefined));
  const warnings = causes.length > 0 ? [] : definitionWarnings(object as Definition);
  return { causes, unknown: found.unknown, warnings };
}

/** Validates what a user wrote, without a server: unknown fields and kinds are causes. */
export async function validateObject(object: KubeObject): Promise<Validation> {
  const kind = kindOf(object.apiVersion ?? "", object.kind ?? "");
  if (!kind) {
    const message = `Unsupported value: no kind "${object.kind}" is known in version "${object.apiVersion}"`;
    return {
      causes: [{ field: "kind", message, reason: "FieldValueNotSupported" }],
      unknown: [],
      warnings: [],
    };
  }
  const found: Findings = { causes: [], unknown: [] };
  check(await objectSchema(kind), object, "", found);
  const result =
    found.causes.length > 0 ? { ...found, warnings: [] } : await validate(kind, applyDefaults(kind, object));
  const unknown = result.unknown.map((field) => ({
    field,
    message: `unknown field "${field}"`,
    reason: "FieldValueInvalid",
  }));
  return { ...result, causes: [...unknown, ...result.causes] };
}
