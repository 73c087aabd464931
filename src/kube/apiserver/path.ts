/** Paths of the API: which kind, version, namespace, name and subresource a URL is about. */
import { apiVersionOf, type Kind } from "../kinds/index.ts";
import type { Catalog } from "./catalog.ts";
import { badRequest } from "./status.ts";

export interface ResourcePath {
  readonly kind: Kind;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** A resource's path; undefined where it names nothing that is served. Throws 400 for names that could escape. */
export function parsePath(catalog: Catalog, path: string): ResourcePath | undefined {
  const segments = path.split("/").slice(1).map(decodeSegment);
  const core = segments[0] === "api";
  if (!core && segments[0] !== "apis") return undefined;
  const [group, version] = core ? ["", segments[1]] : [segments[1], segments[2]];
  const rest = segments.slice(core ? 2 : 3);
  if (group === undefined || version === undefined || rest.length === 0) return undefined;
  const namespaced = rest[0] === "namespaces" && rest.length > 2 && !isNamespaceSubresource(rest);
  const [namespace, plural, name, subresource, ...more] = namespaced
    ? [rest[1], ...rest.slice(2)]
    : [undefined, ...rest];
  const kind = catalog.ofResource(group, version, plural ?? "");
  if (!kind || more.length > 0 || (namespaced && !kind.namespaced)) return undefined;
  if (kind.namespaced && !namespaced && name !== undefined) return undefined;
  return { kind, version, namespace, name, subresource };
}

/** `/namespaces/x/status` is about a namespace, `/namespaces/x/services` about what is in it. */
const isNamespaceSubresource = (rest: readonly string[]): boolean =>
  rest.length === 3 && (rest[2] === "status" || rest[2] === "finalize");

function decodeSegment(segment: string): string {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    throw badRequest("the path is not well encoded");
  }
  if (
    text === "" ||
    text === "." ||
    text === ".." ||
    text.includes("/") ||
    text.includes("\0") ||
    text.length > 253
  ) {
    throw badRequest("the path has a segment that is not a name");
  }
  return text;
}

export const groupVersionOf = (path: ResourcePath): string => apiVersionOf(path.kind.group, path.version);
