/** The life of CustomResourceDefinitions: what they say of themselves, what they serve, and their end. */
import type { Logger } from "../../base/index.ts";
import { type Definition, kindOf, kindOfDefinition } from "../kinds/index.ts";
import type { Change, Store } from "../store/index.ts";
import type { Catalog } from "./catalog.ts";
import { type Doc, decodeRow, keyOf, prefixOf } from "./document.ts";
import { quietly, removed } from "./namespaces.ts";
import type { Registry } from "./registry.ts";

export const definitionKind = kindOf("apiextensions.k8s.io/v1", "CustomResourceDefinition")!;
const prefix = prefixOf(definitionKind);
const version = "v1";

interface Condition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime?: string;
}

/** Follows the definitions in the store, from now on and at once. */
export async function followDefinitions(store: Store, catalog: Catalog): Promise<() => void> {
  for (const row of (await store.list(prefix)).rows) {
    const doc = decodeRow(definitionKind, version, row);
    catalog.define(doc.metadata.name, servedBy(doc));
  }
  return store.watch((changes: readonly Change[]) => {
    for (const change of changes) {
      if (!change.key.startsWith(prefix)) continue;
      const doc = JSON.parse(change.value) as Doc;
      catalog.define(doc.metadata.name, change.type === "delete" ? undefined : servedBy(doc));
    }
  });
}

/** The kind of an established definition. */
function servedBy(doc: Doc): ReturnType<typeof kindOfDefinition> | undefined {
  const { conditions = [] } = (doc["status"] ?? {}) as { conditions?: readonly Condition[] };
  const established = conditions.some((c) => c.type === "Established" && c.status === "True");
  return established ? kindOfDefinition(doc as unknown as Definition) : undefined;
}

/** Writes the status of a definition that is about to be stored; `warn` hears what its author must know. */
export function settleDefinition(
  catalog: Catalog,
  doc: Doc,
  options: { readonly time: string; readonly warn: (text: string) => void },
): void {
  const definition = doc as unknown as Definition;
  const kind = kindOfDefinition(definition);
  const before = (doc["status"] ?? {}) as {
    conditions?: readonly Condition[];
    storedVersions?: readonly string[];
  };
  const clash = catalog.clash(doc.metadata.name, kind);
  const builtIn = catalog.builtIn(kind.group, kind.plural, kind.kind);
  if (builtIn) {
    options.warn(
      `${builtIn.kind}.${builtIn.group} is served by this server's own schema: this definition is kept, but changes nothing`,
    );
  }
  const conditions: Condition[] = clash
    ? [
        condition(
          "NamesAccepted",
          "False",
          "NamesConflict",
          `a name is already in use by ${clash.plural}.${clash.group}`,
        ),
        condition("Established", "False", "NotAccepted", "not all names are accepted"),
      ]
    : [
        condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
        condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
      ];
  doc["status"] = {
    conditions: conditions.map((c) => {
      const old = before.conditions?.find((o) => o.type === c.type && o.status === c.status);
      return { ...c, lastTransitionTime: old?.lastTransitionTime ?? options.time };
    }),
    acceptedNames: clash ? { plural: "", kind: "" } : { ...definition.spec!.names },
    storedVersions: [...new Set([...(before.storedVersions ?? []), kind.storageVersion])],
  };
}

const condition = (type: string, status: "True" | "False", reason: string, message: string): Condition => ({
  type,
  status,
  reason,
  message,
});

/** Removes the objects of a definition that was marked for deletion, then the definition; finalizers keep both. */
export async function emptyDefinition(registry: Registry, name: string, log: Logger): Promise<void> {
  try {
    const marked = await registry.store.get(keyOf(definitionKind, undefined, name));
    if (!marked) return;
    const doc = decodeRow(definitionKind, version, marked);
    if (doc.metadata.deletionTimestamp === undefined || doc.metadata.finalizers?.length) return;
    const kind = registry.catalog.definedBy(name);
    if (kind) {
      let left = 0;
      for (const row of (await registry.store.list(prefixOf(kind))).rows) {
        const item = decodeRow(kind, kind.storageVersion, row);
        const target = {
          kind,
          version: kind.storageVersion,
          namespace: item.metadata.namespace,
          name: item.metadata.name,
        };
        if (!(await removed(registry.delete(target, quietly())))) left++;
      }
      if (left > 0) return;
    }
    const row = await registry.store.get(keyOf(definitionKind, undefined, name));
    if (row) await registry.store.write([{ key: row.key, value: undefined, expect: row.revision }]);
  } catch (e) {
    log.warn(
      "the objects of a definition could not be removed; it is tried again at the next deletion or start",
      {
        definition: name,
        error: e,
      },
    );
  }
}

/** Goes on with removals that a stop of the process cut short, and with what an object's last finalizer held up. */
export async function resumeDefinitions(registry: Registry, log: Logger): Promise<void> {
  for (const row of (await registry.store.list(prefix)).rows) {
    const doc = decodeRow(definitionKind, version, row);
    if (doc.metadata.deletionTimestamp) await emptyDefinition(registry, doc.metadata.name, log);
  }
}
