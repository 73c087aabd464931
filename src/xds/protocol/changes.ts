/** What is different between two maps of resources, found once for all streams that go from the one to the other. */
import type { EncodedResource, Resources } from "./types.ts";

export interface Changes {
  /** New, or in another version. */
  readonly updated: readonly EncodedResource[];
  readonly removed: readonly string[];
}

/** Remembers for each map the one that was asked about last: most streams come from the same. */
export class ChangeBook {
  private readonly found = new WeakMap<
    Resources,
    { readonly from: WeakRef<Resources>; readonly changes: Changes }
  >();

  /** Undefined where a map answers for names but does not list them: there is nothing to compare. */
  between(from: Resources, now: Resources): Changes | undefined {
    if (from.size === 0 || now.size === 0) return undefined;
    const known = this.found.get(now);
    if (known?.from.deref() === from) return known.changes;
    const changes = compare(from, now);
    this.found.set(now, { from: new WeakRef(from), changes });
    return changes;
  }
}

function compare(from: Resources, now: Resources): Changes {
  const updated: EncodedResource[] = [];
  for (const [name, resource] of now) {
    const before = from.get(name);
    if (before !== resource && before?.version !== resource.version) updated.push(resource);
  }
  const removed: string[] = [];
  for (const name of from.keys()) if (!now.has(name)) removed.push(name);
  return { updated, removed };
}
