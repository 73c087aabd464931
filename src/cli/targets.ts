import { exitStatus, Problem } from "../app/problem/index.ts";
import type { KindRef, KubeObject } from "../kube/client/index.ts";

/** A kind and the names of objects; no names: all. */
export interface Target {
  readonly kind: string;
  readonly names: readonly string[];
}

/** `kind name...`, `kind/name ...`, `kind,kind`. */
export function parseTargets(words: readonly string[]): readonly Target[] {
  if (words.length === 0) return [];
  if (words.some((w) => w.includes("/"))) {
    return words.map((w) => {
      const [kind = "", name = "", ...rest] = w.split("/");
      if (kind === "" || name === "" || rest.length > 0)
        throw new Problem(`${w} is not KIND/NAME`, { exit: exitStatus.usage });
      return { kind, names: [name] };
    });
  }
  const [kinds = "", ...names] = words;
  return kinds
    .split(",")
    .filter((k) => k !== "")
    .map((kind) => ({ kind, names }));
}

/** `virtualservice.networking.istio.io/reviews-route`. */
export function resourceNames(ref: KindRef, object: Pick<KubeObject, "metadata">): string {
  return `${ref.kind.toLowerCase()}${ref.group ? `.${ref.group}` : ""}/${object.metadata.name}`;
}
