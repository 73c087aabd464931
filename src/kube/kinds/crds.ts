/** CustomResourceDefinitions for a real cluster: the table's kinds that Kubernetes itself does not serve. */
import type { ColumnDefinition } from "./columns.ts";
import type { Kind } from "./kind.ts";
import type { Schema } from "./schema.ts";
import { kinds } from "./table.ts";
import type { KubeObject } from "./types.ts";

/** Whether Kubernetes itself serves nothing of this group: there its kinds are custom resources. */
export const isCustomGroup = (group: string): boolean => kinds.some((k) => k.custom && k.group === group);

export const crdVersion = "apiextensions.k8s.io/v1";

/** The definition of one kind, as `weft install --crds` writes it. */
export async function crdOf(kind: Kind): Promise<KubeObject> {
  const { group, plural, singular, shortNames, categories } = kind;
  const versions = await Promise.all(kind.versions.map((version) => versionOf(kind, version)));
  return {
    apiVersion: crdVersion,
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      labels: { "app.kubernetes.io/part-of": "weft" },
      // Kubernetes asks for it in groups of its own community.
      ...(group.endsWith(".k8s.io") && {
        annotations: { "api-approved.kubernetes.io": "unapproved, served as its community defines it" },
      }),
    },
    spec: {
      group,
      scope: kind.namespaced ? "Namespaced" : "Cluster",
      names: {
        ...{ plural, singular, kind: kind.kind, listKind: kind.listKind },
        ...(shortNames.length > 0 && { shortNames }),
        ...(categories.length > 0 && { categories }),
      },
      versions,
    },
  };
}

/** Definitions of all kinds that a cluster does not serve by itself, in the order of the table. */
export const customResourceDefinitions = (): Promise<KubeObject[]> =>
  Promise.all(kinds.filter((k) => k.custom).map(crdOf));

async function versionOf(kind: Kind, version: string): Promise<unknown> {
  const { properties = {}, ...schema } = structural(await kind.schema(version)) as { properties?: object };
  const shown = kind.columns.filter((c) => c.jsonPath !== undefined);
  const columns =
    shown.length > 0 ? [...shown.filter((c) => !c.wide), age, ...shown.filter((c) => c.wide)] : [];
  return {
    name: version,
    served: true,
    storage: version === kind.storageVersion,
    schema: {
      openAPIV3Schema: {
        ...schema,
        properties: {
          apiVersion: { type: "string" },
          kind: { type: "string" },
          metadata: { type: "object" },
          ...properties,
        },
      },
    },
    ...(kind.statusSubresource && { subresources: { status: {} } }),
    // Without a column of ours, the server shows the age by itself.
    ...(columns.length > 0 && { additionalPrinterColumns: columns.map(printerColumn) }),
  };
}

const age: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "",
};

type PrinterColumn = Pick<ColumnDefinition, "name" | "type" | "description" | "wide"> & {
  readonly jsonPath?: string | undefined;
};
function printerColumn(c: PrinterColumn): unknown {
  return {
    ...{ name: c.name, type: c.type, jsonPath: c.jsonPath },
    ...(c.description && { description: c.description }),
    ...(c.wide && { priority: 1 }),
  };
}

const scalars = [
  "type",
  "description",
  "format",
  "pattern",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "enum",
  "required",
  "nullable",
  "default",
  "allOf",
  "anyOf",
  "oneOf",
  "not",
] as const;

/** Our schema as a structural one: every node has a type, and nothing that only built-in kinds may say. */
function structural(schema: Schema): Record<string, unknown> {
  const description = schema.description ? { description: schema.description } : {};
  if ((schema.anything && !schema.properties) || schema.recursive) {
    const object = schema.recursive ? { type: "object" } : {};
    return { ...description, ...object, "x-kubernetes-preserve-unknown-fields": true };
  }
  if (schema.intOrString || schema.quantity) {
    const anyOf = [{ type: "integer" }, { type: "string" }];
    return { ...description, anyOf, "x-kubernetes-int-or-string": true };
  }
  const { properties, items, additionalProperties, listType, listKeys, atomic } = schema;
  return {
    ...Object.fromEntries(scalars.filter((k) => schema[k] !== undefined).map((k) => [k, schema[k]])),
    ...(schema.anything && { "x-kubernetes-preserve-unknown-fields": true }),
    ...(listType && { "x-kubernetes-list-type": listType }),
    ...(listKeys && { "x-kubernetes-list-map-keys": listKeys }),
    ...(atomic && { "x-kubernetes-map-type": "atomic" }),
    ...(items && { items: structural(items) }),
    ...(additionalProperties && { additionalProperties: structural(additionalProperties) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, structural(v)])),
    }),
  };
}
