/** CustomResourceDefinitions that users create: whether one is well made, and the kind that it defines. */
import { type ColumnDefinition, pathColumn } from "./columns.ts";
import { fromOpenApi, type OpenApiSchema } from "./from-openapi.ts";
import { compileJsonPath } from "./json-path.ts";
import { type Kind, makeKind } from "./kind.ts";
import { isDns1035Label, isDnsSubdomain } from "./names.ts";
import { type Cause, check, type Findings, type Schema } from "./schema.ts";
import { checkStructure } from "./structure.ts";
import type { KubeObject } from "./types.ts";

export interface DefinitionNames {
  readonly plural: string;
  readonly singular?: string;
  readonly kind: string;
  readonly listKind?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}
interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}
export interface DefinitionVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly deprecated?: boolean;
  readonly deprecationWarning?: string;
  readonly schema?: { readonly openAPIV3Schema?: OpenApiSchema };
  readonly subresources?: {
    readonly status?: object;
    readonly scale?: {
      readonly specReplicasPath: string;
      readonly statusReplicasPath: string;
      readonly labelSelectorPath?: string;
    };
  };
  readonly additionalPrinterColumns?: readonly PrinterColumn[];
  readonly selectableFields?: readonly { readonly jsonPath: string }[];
}
export interface DefinitionSpec {
  readonly group: string;
  readonly names: DefinitionNames;
  readonly scope: "Namespaced" | "Cluster";
  readonly versions: readonly DefinitionVersion[];
  readonly conversion?: { readonly strategy: string };
  readonly preserveUnknownFields?: boolean;
}
export type Definition = KubeObject<DefinitionSpec>;

const cause = (field: string, message: string, reason: string): Cause => ({ field, message, reason });
const invalid = (field: string, value: unknown, why: string): Cause =>
  cause(field, `Invalid value: ${JSON.stringify(value)}: ${why}`, "FieldValueInvalid");
const required = (field: string, why = ""): Cause =>
  cause(field, `Required value${why && `: ${why}`}`, "FieldValueRequired");

/** Causes why a definition cannot be stored. It is well typed already. */
export function checkDefinition(definition: Definition, old?: Definition): Cause[] {
  const { group, names, scope, versions, conversion, preserveUnknownFields } = definition.spec!;
  const causes: Cause[] = [];
  if (definition.metadata.name !== `${names.plural}.${group}`)
    causes.push(
      invalid("metadata.name", definition.metadata.name, `must be spec.names.plural+"."+spec.group`),
    );
  if (!isDnsSubdomain(group) || !group.includes("."))
    causes.push(invalid("spec.group", group, "should be a domain with at least one dot"));
  for (const field of ["plural", "singular", "kind", "listKind"] as const) {
    const value = names[field];
    if (value !== undefined && !isDns1035Label(value.toLowerCase()))
      causes.push(invalid(`spec.names.${field}`, value, "must be a DNS-1035 label"));
  }
  if (names.kind === names.listKind)
    causes.push(invalid("spec.names.listKind", names.listKind, "kind and listKind may not be the same"));
  if (preserveUnknownFields)
    causes.push(
      invalid(
        "spec.preserveUnknownFields",
        true,
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
      ),
    );
  if (conversion && conversion.strategy !== "None")
    causes.push(
      cause(
        "spec.conversion.strategy",
        `Unsupported value: ${JSON.stringify(conversion.strategy)}: supported values: "None" (this server calls no webhooks)`,
        "FieldValueNotSupported",
      ),
    );
  if (old && old.spec!.scope !== scope) causes.push(invalid("spec.scope", scope, "field is immutable"));
  if (old && old.spec!.group !== group) causes.push(invalid("spec.group", group, "field is immutable"));
  causes.push(...checkVersions(versions));
  return causes;
}

function checkVersions(versions: readonly DefinitionVersion[]): Cause[] {
  const causes: Cause[] = [];
  if (versions.filter((v) => v.storage).length !== 1)
    causes.push(
      invalid(
        "spec.versions",
        versions.map((v) => v.name),
        "must have exactly one version marked as storage version",
      ),
    );
  const seen = new Set<string>();
  for (const [i, version] of versions.entries()) {
    const at = `spec.versions[${i}]`;
    if (!isDns1035Label(version.name))
      causes.push(invalid(`${at}.name`, version.name, "must be a DNS-1035 label"));
    if (seen.has(version.name))
      causes.push(cause(`${at}.name`, `Duplicate value: "${version.name}"`, "FieldValueDuplicate"));
    seen.add(version.name);
    const schema = version.schema?.openAPIV3Schema;
    if (schema)
      causes.push(...checkStructure(schema, `${at}.schema.openAPIV3Schema`), ...checkDefaults(schema, at));
    else causes.push(required(`${at}.schema.openAPIV3Schema`, "schemas are required"));
    causes.push(...checkPaths(version, at));
  }
  return causes;
}

/** Defaults must pass the schema that they stand in. */
function checkDefaults(schema: OpenApiSchema, at: string): Cause[] {
  const causes: Cause[] = [];
  const walk = (node: Schema, path: string): void => {
    if (node.default !== undefined) {
      const found: Findings = { causes: [], unknown: [], strictNull: true };
      check(node, node.default, `${path}.default`, found);
      causes.push(...found.causes);
      causes.push(...found.unknown.map((f) => invalid(f, node.default, "must not have unknown fields")));
    }
    for (const [name, inner] of Object.entries(node.properties ?? {}))
      walk(inner, `${path}.properties[${name}]`);
    if (node.items) walk(node.items, `${path}.items`);
    if (node.additionalProperties) walk(node.additionalProperties, `${path}.additionalProperties`);
  };
  walk(fromOpenApi(schema), `${at}.schema.openAPIV3Schema`);
  return causes;
}

const columnTypes: readonly string[] = ["integer", "number", "string", "boolean", "date"];

function checkPaths(version: DefinitionVersion, at: string): Cause[] {
  const causes: Cause[] = [];
  for (const [i, column] of (version.additionalPrinterColumns ?? []).entries()) {
    const field = `${at}.additionalPrinterColumns[${i}]`;
    if (!columnTypes.includes(column.type))
      causes.push(
        cause(
          `${field}.type`,
          `Unsupported value: ${JSON.stringify(column.type)}: supported values: ${columnTypes.map((t) => `"${t}"`).join(", ")}`,
          "FieldValueNotSupported",
        ),
      );
    try {
      compileJsonPath(column.jsonPath);
    } catch (e) {
      causes.push(invalid(`${field}.jsonPath`, column.jsonPath, (e as Error).message));
    }
  }
  const scale = version.subresources?.scale;
  if (scale) {
    for (const [field, prefix] of [
      ["specReplicasPath", ".spec."],
      ["statusReplicasPath", ".status."],
    ] as const)
      if (!scale[field]?.startsWith(prefix))
        causes.push(
          invalid(
            `${at}.subresources.scale.${field}`,
            scale[field],
            `should be a json path under ${prefix.slice(0, -1)}`,
          ),
        );
  }
  return causes;
}

/** What is accepted and worth a word. */
export function definitionWarnings(definition: Definition): string[] {
  const said = new Set<string>();
  const walk = (node: OpenApiSchema | undefined, path: string): void => {
    if (!node || typeof node !== "object" || said.size > 0) return;
    if (node["x-kubernetes-validations"]) said.add(path);
    for (const [name, inner] of Object.entries(node.properties ?? {}))
      walk(inner, `${path}.properties[${name}]`);
    walk(node.items, `${path}.items`);
    if (typeof node.additionalProperties === "object")
      walk(node.additionalProperties, `${path}.additionalProperties`);
  };
  for (const [i, v] of definition.spec!.versions.entries())
    walk(v.schema?.openAPIV3Schema, `spec.versions[${i}].schema.openAPIV3Schema`);
  return [...said].map(
    (path) => `${path}.x-kubernetes-validations: CEL rules are stored, but not evaluated here`,
  );
}

/** With what Kubernetes fills in. */
export function defaultDefinition(definition: Definition): Definition {
  const { names } = definition.spec!;
  return {
    ...definition,
    spec: {
      ...definition.spec!,
      conversion: definition.spec!.conversion ?? { strategy: "None" },
      names: {
        ...names,
        singular: names.singular || names.kind.toLowerCase(),
        listKind: names.listKind || `${names.kind}List`,
      },
    },
  };
}

/** Versions in the order that clients prefer: stable ones, then beta, then alpha, newer before older. */
export function sortVersions(names: readonly string[]): string[] {
  const rank = (name: string): readonly [number, number, number] => {
    const m = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(name);
    if (!m) return [3, 0, 0];
    return [m[2] === undefined ? 0 : m[2] === "beta" ? 1 : 2, -Number(m[1]), -Number(m[3] ?? 0)];
  };
  return [...names].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2] || (a < b ? -1 : 1);
  });
}

const dotted = (path: string): string => path.replace(/^\./, "");

/** The kind that a stored definition defines. Its schemas are read at first use. */
export function kindOfDefinition(definition: Definition): Kind {
  const { group, names, scope, versions } = definition.spec!;
  const served = versions.filter((v) => v.served);
  const order = sortVersions(served.map((v) => v.name));
  const first = versions.find((v) => v.name === order[0]) ?? versions[0]!;
  const schemas = new Map<string, Schema>();
  const scale = first.subresources?.scale;
  return makeKind({
    group,
    kind: names.kind,
    plural: names.plural,
    singular: names.singular || names.kind.toLowerCase(),
    listKind: names.listKind || `${names.kind}List`,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === "Namespaced",
    versions: order,
    storageVersion: versions.find((v) => v.storage)!.name,
    statusSubresource: versions.some((v) => v.subresources?.status !== undefined),
    generation: true,
    custom: true,
    defined: true,
    columns: (first.additionalPrinterColumns ?? []).map(columnOf),
    selectable: (first.selectableFields ?? []).map((f) => dotted(f.jsonPath)),
    ...(scale && {
      scale: {
        spec: dotted(scale.specReplicasPath),
        status: dotted(scale.statusReplicasPath),
        ...(scale.labelSelectorPath && { selector: dotted(scale.labelSelectorPath) }),
      },
    }),
    schema: (version = order[0] ?? first.name) => {
      let schema = schemas.get(version);
      if (!schema) {
        const node = versions.find((v) => v.name === version)?.schema?.openAPIV3Schema ?? {};
        schema = fromOpenApi(node);
        schemas.set(version, schema);
      }
      return Promise.resolve(schema);
    },
  });
}

const columnOf = (c: PrinterColumn): ColumnDefinition =>
  pathColumn(c.name, c.jsonPath, {
    type: c.type as ColumnDefinition["type"],
    description: c.description ?? `Custom resource definition column (in JSONPath format): ${c.jsonPath}`,
    ...(c.format && { format: c.format }),
    ...((c.priority ?? 0) > 0 && { wide: true }),
    ...(c.type === "date" && { none: "" }),
  });
