import { describe, expect, test } from "bun:test";
import { customResourceDefinitions, isCustomGroup } from "./crds.ts";
import { kinds } from "./table.ts";

interface Version {
  readonly name: string;
  readonly storage: boolean;
  readonly schema: { readonly openAPIV3Schema: Node };
  readonly additionalPrinterColumns?: readonly { readonly name: string; readonly jsonPath: string }[];
}
interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly additionalProperties?: Node;
  readonly type?: string;
  readonly [key: string]: unknown;
}
interface Spec {
  readonly group: string;
  readonly versions: readonly Version[];
}

describe("definitions for a real cluster", () => {
  test("one for each kind that Kubernetes does not serve, each small enough to store", async () => {
    const all = await customResourceDefinitions();
    const wanted = kinds.filter((k) => isCustomGroup(k.group));
    expect(all.map((d) => d.metadata.name)).toEqual(wanted.map((k) => `${k.plural}.${k.group}`));
    // etcd takes 1.5 MB, a third of which may be managed fields.
    for (const d of all)
      expect([d.metadata.name, JSON.stringify(d).length < 1_000_000]).toEqual([d.metadata.name, true]);
  });

  test("one version is stored, columns are those of the table, schemas are structural", async () => {
    const walk = (node: Node, path: string, bad: string[]): void => {
      const open = node["x-kubernetes-preserve-unknown-fields"] ?? node["x-kubernetes-int-or-string"];
      if (node.type === undefined && open !== true) bad.push(path);
      for (const value of (node["enum"] as readonly unknown[] | undefined) ?? [])
        if (typeof value !== (node.type === "integer" ? "number" : node.type))
          bad.push(`${path}: enum ${value}`);
      const { default: filled, enum: values } = node;
      if (filled !== undefined && Array.isArray(values) && !values.includes(filled))
        bad.push(`${path}: default ${filled}`);
      for (const key of Object.keys(node))
        if (key.startsWith("x-kubernetes-patch")) bad.push(`${path}: ${key}`);
      for (const [k, v] of Object.entries(node.properties ?? {})) walk(v, `${path}.${k}`, bad);
      if (node.items) walk(node.items, `${path}[]`, bad);
      if (node.additionalProperties) walk(node.additionalProperties, `${path}{}`, bad);
    };
    for (const definition of await customResourceDefinitions()) {
      const { versions, group } = definition.spec as Spec;
      expect(versions.filter((v) => v.storage)).toHaveLength(1);
      const bad: string[] = [];
      for (const v of versions) walk(v.schema.openAPIV3Schema, `${definition.metadata.name}/${v.name}`, bad);
      expect(bad).toEqual([]);
      const kind = kinds.find((k) => `${k.plural}.${k.group}` === definition.metadata.name)!;
      const columns = (versions[0]!.additionalPrinterColumns ?? []).map((c) => c.name);
      expect([group, columns.filter((c) => c !== "Age")]).toEqual([group, kind.columns.map((c) => c.name)]);
    }
  });
});
