/** The one table of kinds behind discovery, storage, validation, defaulting, OpenAPI, tables and clients. */
import type { Kind } from "./kind.ts";
import { kubernetesKinds } from "./kubernetes-kinds.ts";
import { meshKinds } from "./mesh-kinds.ts";

/** All kinds that Weft knows by itself; to serve a new one, add a line (and its columns). */
export const kinds: readonly Kind[] = [...kubernetesKinds, ...meshKinds];

/** `v1` or `group/v1`. */
export const apiVersionOf = (group: string, version: string): string =>
  group === "" ? version : `${group}/${version}`;

/** Splits an apiVersion; undefined where it is malformed. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } | undefined {
  const parts = apiVersion.split("/");
  if (parts.length > 2 || parts.some((p) => p === "")) return undefined;
  return parts.length === 1 ? { group: "", version: parts[0]! } : { group: parts[0]!, version: parts[1]! };
}

const byKind = new Map(kinds.map((k) => [`${k.group}/${k.kind}`, k]));
const byPlural = new Map(kinds.map((k) => [`${k.group}/${k.plural}`, k]));

/** The kind of an object, if this version of it is served. */
export function kindOf(apiVersion: string, name: string): Kind | undefined {
  const at = parseApiVersion(apiVersion);
  const found = at && byKind.get(`${at.group}/${name}`);
  return found?.versions.includes(at!.version) ? found : undefined;
}

/** The kind behind a path segment (`virtualservices`), if this version of it is served. */
export function kindOfResource(group: string, version: string, plural: string): Kind | undefined {
  const found = byPlural.get(`${group}/${plural}`);
  return found?.versions.includes(version) ? found : undefined;
}
