/** Namespaces that always exist, and the end of those that were deleted. */
import type { Logger } from "../../base/index.ts";
import { kindOf } from "../kinds/index.ts";
import { type Doc, decodeRow, keyOf, prefixOf } from "./document.ts";
import type { WriteOptions } from "./prepare.ts";
import type { Registry } from "./registry.ts";
import { StatusError } from "./status.ts";

/** `weft-system` is the root namespace (DESIGN.md section 5). */
export const BUILT_IN_NAMESPACES = ["default", "kube-system", "weft-system"] as const;

const kind = kindOf("v1", "Namespace")!;

/** Options of the server's own writes. */
export const quietly = (): WriteOptions => ({
  dryRun: false,
  fieldValidation: "Strict",
  fieldManager: "weft",
  warnings: [],
  duplicates: [],
});

/** Makes the built-in namespaces where they are missing. */
export async function ensureNamespaces(registry: Registry): Promise<void> {
  for (const name of BUILT_IN_NAMESPACES) {
    if (await registry.store.get(keyOf(kind, undefined, name))) continue;
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    await registry.create({ kind, version: "v1", namespace: undefined }, body, quietly());
  }
}

/** Empties a namespace that was marked for deletion and removes it; objects with finalizers keep it alive. */
export async function emptyNamespace(registry: Registry, name: string, log: Logger): Promise<void> {
  try {
    const marked = await registry.store.get(keyOf(kind, undefined, name));
    if (!marked || !terminating(decodeRow(kind, "v1", marked))) return;
    let left = 0;
    for (const content of registry.catalog.kinds.filter((k) => k.namespaced && !k.storedAs)) {
      const page = await registry.store.list(prefixOf(content, name));
      for (const row of page.rows) {
        const doc = decodeRow(content, content.storageVersion, row);
        const target = {
          kind: content,
          version: content.storageVersion,
          namespace: name,
          name: doc.metadata.name,
        };
        if (!(await removed(registry.delete(target, quietly())))) left++;
      }
    }
    const row = await registry.store.get(keyOf(kind, undefined, name));
    if (left > 0 || !row) return;
    await registry.store.write([{ key: row.key, value: undefined, expect: row.revision }]);
  } catch (e) {
    log.warn("namespace could not be emptied; it is tried again at the next deletion or start", {
      namespace: name,
      error: e,
    });
  }
}

/** Goes on with deletions that a stop of the process cut short. */
export async function resumeTermination(registry: Registry, log: Logger): Promise<void> {
  for (const row of (await registry.store.list(prefixOf(kind))).rows) {
    const doc = decodeRow(kind, "v1", row);
    if (terminating(doc)) await emptyNamespace(registry, doc.metadata.name, log);
  }
}

const terminating = (doc: Doc): boolean =>
  doc.metadata.deletionTimestamp !== undefined && !doc.metadata.finalizers?.length;

/** Whether an object is gone for good; one that was not there is. */
export async function removed(deletion: Promise<{ gone: boolean }>): Promise<boolean> {
  try {
    return (await deletion).gone;
  } catch (e) {
    if (e instanceof StatusError && e.code === 404) return true;
    throw e;
  }
}
