/** The Kubernetes objects of one moment, sorted, so that translation does not depend on order of arrival. */
import type { ObjectRef } from "../model/index.ts";

/** As the API gives it; `spec` and `data` are judged by the translators, never trusted. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly uid?: string | undefined;
    readonly resourceVersion?: string | undefined;
    readonly generation?: number | undefined;
    readonly creationTimestamp?: string | undefined;
    readonly deletionTimestamp?: string | undefined;
    readonly labels?: Readonly<Record<string, string>> | undefined;
    readonly annotations?: Readonly<Record<string, string>> | undefined;
  };
}

/** Kinds that translation reads; others are no part of a snapshot. */
export const translatedKinds = [
  "ConfigMap",
  "DestinationRule",
  "EndpointSlice",
  "PeerAuthentication",
  "Pod",
  "RateLimit",
  "Service",
  "ServiceEntry",
  "ServiceProfile",
  "Sidecar",
  "VirtualService",
  "WorkloadEntry",
] as const;
export type TranslatedKind = (typeof translatedKinds)[number];

export interface KubeSnapshot {
  /** Objects of a kind by namespace and name; without duplicates. */
  readonly byKind: ReadonlyMap<TranslatedKind, readonly KubeObject[]>;
}

const groups: Readonly<Record<TranslatedKind, string>> = {
  ConfigMap: "",
  DestinationRule: "networking.istio.io",
  EndpointSlice: "discovery.k8s.io",
  PeerAuthentication: "security.istio.io",
  Pod: "",
  RateLimit: "weft.dev",
  Service: "",
  ServiceEntry: "networking.istio.io",
  ServiceProfile: "linkerd.io",
  Sidecar: "networking.istio.io",
  VirtualService: "networking.istio.io",
  WorkloadEntry: "networking.istio.io",
};

/** The kind if translation reads it; the version does not matter: one object is served as several. */
export function translatedKind(object: Pick<KubeObject, "apiVersion" | "kind">): TranslatedKind | undefined {
  const slash = object.apiVersion.indexOf("/");
  const group = slash < 0 ? "" : object.apiVersion.slice(0, slash);
  const kind = object.kind as TranslatedKind;
  return groups[kind] === group ? kind : undefined;
}

export function namespaceOf(object: KubeObject): string {
  return object.metadata.namespace ?? "default";
}

export function refOf(object: KubeObject): ObjectRef {
  const { apiVersion, kind } = object;
  return { apiVersion, kind, namespace: namespaceOf(object), name: object.metadata.name };
}

/** Picks what translation reads. Of two objects with one name the one with the greater resourceVersion stays. */
export function buildSnapshot(objects: Iterable<KubeObject>): KubeSnapshot {
  const kinds = new Map<TranslatedKind, Map<string, KubeObject>>();
  for (const object of objects) {
    const kind = translatedKind(object);
    if (kind === undefined) continue;
    const named = kinds.get(kind) ?? new Map<string, KubeObject>();
    kinds.set(kind, named);
    const key = `${namespaceOf(object)}/${object.metadata.name}`;
    const other = named.get(key);
    if (other === undefined || newer(object, other)) named.set(key, object);
  }
  const byKind = new Map<TranslatedKind, readonly KubeObject[]>();
  for (const [kind, named] of kinds)
    byKind.set(
      kind,
      [...named].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, object]) => object),
    );
  return { byKind };
}

function newer(a: KubeObject, b: KubeObject): boolean {
  const [x, y] = [Number(a.metadata.resourceVersion ?? 0), Number(b.metadata.resourceVersion ?? 0)];
  if (x !== y) return x > y;
  return JSON.stringify(a) > JSON.stringify(b);
}

/** Istio's priority: the oldest first, then by namespace and name. */
export function oldestFirst(objects: readonly KubeObject[]): readonly KubeObject[] {
  const time = (o: KubeObject): number => Date.parse(o.metadata.creationTimestamp ?? "") || 0;
  return objects
    .map((object, index) => ({ object, index }))
    .sort((a, b) => time(a.object) - time(b.object) || a.index - b.index)
    .map(({ object }) => object);
}

export function objectsOf(snapshot: KubeSnapshot, kind: TranslatedKind): readonly KubeObject[] {
  return snapshot.byKind.get(kind) ?? [];
}
