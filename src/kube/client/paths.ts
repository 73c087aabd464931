/** Paths and queries of the API. */
import type { KindRef } from "./types.ts";

/** apiVersion of a kind: `v1`, `networking.istio.io/v1`. */
export function apiVersionOf(ref: Pick<KindRef, "group" | "version">): string {
  return ref.group === "" ? ref.version : `${ref.group}/${ref.version}`;
}

/** Path of a collection, an object, or its subresource. Names are escaped: none leaves its place. */
export function pathOf(
  ref: KindRef,
  target: { namespace?: string | undefined; name?: string; subresource?: string | undefined } = {},
): string {
  const parts = ref.group === "" ? ["api", ref.version] : ["apis", ref.group, ref.version];
  if (ref.namespaced && target.namespace !== undefined) parts.push("namespaces", segment(target.namespace));
  parts.push(ref.plural);
  if (target.name !== undefined) parts.push(segment(target.name));
  if (target.subresource !== undefined) parts.push(target.subresource);
  return `/${parts.join("/")}`;
}

function segment(name: string): string {
  // "." and ".." survive escaping and would be resolved away.
  if (name === "" || name === "." || name === "..") throw new RangeError(`not a name: "${name}"`);
  return encodeURIComponent(name);
}

/** `?a=b&c=d` of what is defined; "" for nothing. */
export function queryOf(values: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (value !== undefined && value !== "") query.set(key, String(value));
  const encoded = query.toString();
  return encoded === "" ? "" : `?${encoded}`;
}
