/** Names of kinds, as people write them, to resources: from the server's discovery. */
import type { KindRef, KubeClient } from "../kube/client/index.ts";

interface ApiResource {
  readonly name: string;
  readonly singularName?: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
}

interface Served extends KindRef {
  readonly singular: string;
  readonly shortNames: readonly string[];
}

interface GroupList {
  readonly groups: readonly {
    readonly name: string;
    readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
    readonly preferredVersion?: { readonly version: string };
  }[];
}

export interface KindIndex {
  /** Asks the server for what it serves; with objects, only for their group versions. */
  load(objects?: readonly { readonly apiVersion: string }[]): Promise<void>;
  /** By apiVersion and kind. */
  readonly byKind: (apiVersion: string, kind: string) => KindRef | undefined;
  /** By `virtualservices`, `vs`, `VirtualService`, `virtualservice.networking.istio.io`. */
  find(word: string): KindRef | undefined;
  /** Kinds that are served. */
  names(): readonly string[];
  all(): readonly Served[];
  /** Words near to one that is not known. */
  near(word: string): readonly string[];
}

export function createKindIndex(client: KubeClient): KindIndex {
  const served: Served[] = [];
  const preferred = new Map<string, string>();
  const loadVersion = async (group: string, version: string): Promise<void> => {
    const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const list = await client.raw<{ resources?: readonly ApiResource[] }>(path).catch((error: unknown) => {
      if ((error as { status?: number }).status === 404) return { resources: [] };
      throw error;
    });
    for (const r of list.resources ?? []) {
      if (r.name.includes("/")) continue;
      const { kind, namespaced, shortNames = [] } = r;
      const singular = r.singularName || kind.toLowerCase();
      served.push({ group, version, kind, namespaced, shortNames, singular, plural: r.name });
    }
  };
  const better = (a: Served, b: Served): Served =>
    a.group === b.group && preferred.get(a.group) === b.version ? b : a;
  return {
    async load(objects) {
      if (objects) {
        const wanted = new Set(objects.map((o) => o.apiVersion));
        await Promise.all([...wanted].map((v) => loadVersion(...split(v))));
        return;
      }
      const { groups } = await client.raw<GroupList>("/apis");
      preferred.set("", "v1");
      for (const g of groups)
        preferred.set(g.name, g.preferredVersion?.version ?? g.versions[0]?.version ?? "");
      await Promise.all([
        loadVersion("", "v1"),
        ...groups.flatMap((g) => g.versions.map((v) => loadVersion(g.name, v.version))),
      ]);
    },
    byKind(apiVersion, kind) {
      const [group, version] = split(apiVersion);
      return served.find((s) => s.group === group && s.version === version && s.kind === kind);
    },
    find(word) {
      const [name = "", ...rest] = word.toLowerCase().split(".");
      const group = rest.join(".");
      const hits = served.filter(
        (s) =>
          (s.plural === name ||
            s.singular === name ||
            s.kind.toLowerCase() === name ||
            s.shortNames.includes(name)) &&
          (group === "" || s.group === group),
      );
      return hits.length === 0 ? undefined : hits.reduce(better);
    },
    names: () => [...new Set(served.map((s) => s.kind))],
    all: () => served.filter((s) => preferred.get(s.group) === s.version),
    near: (word) => near(word.toLowerCase(), [...new Set(served.map((s) => s.plural))]),
  };
}

function split(apiVersion: string): [string, string] {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? ["", apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

/** Words within two edits, nearest first; at most three. */
export function near(word: string, words: readonly string[]): readonly string[] {
  return words
    .map((w) => [w, Math.min(distance(word, w), distance(`${word}s`, w))] as const)
    .filter(([, d]) => d <= 2)
    .sort((a, b) => a[1] - b[1])
    .slice(0, 3)
    .map(([w]) => w);
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
