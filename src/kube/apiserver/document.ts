/** Objects while the server works on them, and how they are kept in the store. */
import { apiVersionOf, type Kind, type KubeObject, kindOfResource } from "../kinds/index.ts";
import type { Row } from "../store/index.ts";
import { convertAutoscaler } from "./autoscaler.ts";

export type { Doc, Meta } from "./doc.ts";

import type { Doc } from "./doc.ts";

/** The same document in the words of the typed kinds. */
export const asObject = (doc: Doc): KubeObject => doc as unknown as KubeObject;
export const asDoc = (object: KubeObject): Doc => object as unknown as Doc;

/** `/registry/<group>/<plural>/[<namespace>/]`; with a namespace, the prefix of its objects. */
export function prefixOf(kind: Kind, namespace?: string): string {
  const { group, plural } = kind.storedAs ?? kind;
  const base = `/registry/${group === "" ? "core" : group}/${plural}/`;
  return namespace ? `${base}${namespace}/` : base;
}

export const keyOf = (kind: Kind, namespace: string | undefined, name: string): string =>
  prefixOf(kind, kind.namespaced ? namespace : undefined) + name;

/** JSON as kept: storage version, no resourceVersion (that is the row's revision). */
export function encode(kind: Kind, doc: Doc): string {
  const stored = kind.storedAs ? kindOfResource(kind.storedAs.group, "v1", kind.storedAs.plural)! : kind;
  const out = convert(doc, apiVersionOf(stored.group, stored.storageVersion));
  const { resourceVersion: _, ...metadata } = out.metadata;
  return JSON.stringify({ ...out, metadata });
}

/** Whether two documents say the same, whatever their resourceVersion and the order of their fields. */
export function equalDocs(a: Doc, b: Doc): boolean {
  const bare = ({ metadata: { resourceVersion: _, ...metadata }, ...doc }: Doc) => ({ ...doc, metadata });
  return Bun.deepEquals(bare(a), bare(b));
}

/** A row in the words of one served version. */
export function decode(kind: Kind, version: string, value: string, revision: number): Doc {
  const doc = convert(JSON.parse(value) as Doc, apiVersionOf(kind.group, version));
  doc.metadata.resourceVersion = String(revision);
  return doc;
}

export const decodeRow = (kind: Kind, version: string, row: Row): Doc =>
  decode(kind, version, row.value, row.revision);

/** Core v1 Event -> events.k8s.io/v1. */
const eventFields: Readonly<Record<string, string>> = {
  involvedObject: "regarding",
  message: "note",
  count: "deprecatedCount",
  firstTimestamp: "deprecatedFirstTimestamp",
  lastTimestamp: "deprecatedLastTimestamp",
  source: "deprecatedSource",
  reportingComponent: "reportingController",
};
const eventFieldsBack = Object.fromEntries(Object.entries(eventFields).map(([a, b]) => [b, a]));

/** Shows a document in another version. Istio's versions are equal but for the name; Events have two dialects. */
export function convert(doc: Doc, apiVersion: string): Doc {
  if (doc.apiVersion === apiVersion) return doc;
  if (doc.kind === "HorizontalPodAutoscaler") return convertAutoscaler(doc, apiVersion);
  const dialect = apiVersion === "events.k8s.io/v1" ? eventFields : eventFieldsBack;
  if (doc.kind !== "Event") return { ...doc, apiVersion };
  const renamed = Object.entries(doc).map(([field, value]) => [dialect[field] ?? field, value] as const);
  const told = renamed.filter(([field, value]) => value !== "" || !field.startsWith("reporting"));
  const shown = dialect === eventFields ? told : renamed;
  return { ...(Object.fromEntries(shown) as Doc), apiVersion };
}

/** What generation counts: everything but metadata and status. */
export function withoutMetaAndStatus(doc: Doc): Record<string, unknown> {
  const { metadata: _m, status: _s, apiVersion: _a, ...rest } = doc;
  return rest;
}
