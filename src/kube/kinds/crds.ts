/** CustomResourceDefinitions for a real cluster: the table's kinds that Kubernetes itself does not serve. */
import type { ColumnDefinition } from "./columns.ts";
import type { Schema } from "./schema.ts";
import { type Kind, kinds } from "./table.ts";
import type { KubeObject } from "./types.ts";

/** Groups below k8s.io that are installed as custom resources nevertheless. */
const installed: ReadonlySet<string> = new Set(["gateway.networking.k8s.io"]);

/** Whether Kubernetes itself serves nothing of this group: there its kinds are custom resources. */
export const isCustomGroup = (group: string): boolean =>
  group.includes(".") && (!group.endsWith(".k8s.io") || installed.has(group));

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
        ...{ plural, singular, kind: kind.kind, listKind: `${kind.kind}List` },
        ...(shortNames.length > 0 && { shortNames }),
        ...(categories.length > 0 && { categories }),
      },
      versions,
    },
  };
}

/** Definitions of all kinds that a cluster does not serve by itself, in the order of the table. */
export const customResourceDefinitions = (): Promise<KubeObject[]> =>
  Promise.all(kinds.filter((k) => isCustomGroup(k.group)).map(crdOf));

async function versionOf(kind: Kind, version: string): Promise<unknown> {
  const { properties = {}, ...schema } = structural(await kind.schema(version)) as { properties?: object };
  const columns = kind.columns.filter((c) => c.jsonPath !== undefined).map(printerColumn);
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
    ...(columns.length > 0 && { additionalPrinterColumns: [...columns, age] }),
  };
}

const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

function printerColumn(c: ColumnDefinition): unknown {
  return {
    ...{ name: c.name, type: c.type, jsonPath: c.jsonPath, description: c.description },
    ...(c.wide && { priority: 1 }),
  };
}

const scalars = [
  "type",
  "description",
  "format",
  "minimum",
  "maximum",
  "enum",
  "required",
  "nullable",
] as const;

/** Our schema as a structural one: every node has a type, and nothing that only built-in kinds may say. */
function structural(schema: Schema): Record<string, unknown> {
  if (schema.anything || schema.recursive)
    return {
      ...(schema.description && { description: schema.description }),
      ...(schema.recursive && { type: "object" }),
      "x-kubernetes-preserve-unknown-fields": true,
    };
  if (schema.intOrString)
    return {
      ...(schema.description && { description: schema.description }),
      anyOf: [{ type: "integer" }, { type: "string" }],
      "x-kubernetes-int-or-string": true,
    };
  const { properties, items, additionalProperties } = schema;
  return {
    ...Object.fromEntries(scalars.filter((k) => schema[k] !== undefined).map((k) => [k, schema[k]])),
    ...(items && { items: structural(items) }),
    ...(additionalProperties && { additionalProperties: structural(additionalProperties) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, structural(v)])),
    }),
  };
}
