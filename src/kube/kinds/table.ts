/** The one table of kinds behind discovery, storage, validation, defaulting, OpenAPI, tables and clients. */
import { type ColumnDefinition, columns } from "./columns.ts";
import * as core from "./core-schemas.ts";
import { istioSchema } from "./istio-schema.ts";
import { serviceProfileSchema } from "./linkerd-schema.ts";
import type { NameRule } from "./meta.ts";
import type { Schema } from "./schema.ts";

/** A kind of object. `schema` gives the fields beside apiVersion, kind and metadata. */
export interface Kind {
  /** "" is the core group. */
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Served versions, the preferred one first; one stored object is shown in each. */
  readonly versions: readonly string[];
  readonly storageVersion: string;
  readonly schema: (version?: string) => Promise<Schema>;
  readonly nameRule: NameRule;
  readonly statusSubresource: boolean;
  /** metadata.generation counts changes of spec. */
  readonly generation: boolean;
  readonly categories: readonly string[];
  readonly columns: readonly ColumnDefinition[];
  /** Another group that serves the same stored objects: its objects are kept under the kind named here. */
  readonly storedAs?: { readonly group: string; readonly plural: string };
}

type Draft = Pick<Kind, "group" | "kind" | "plural" | "versions" | "schema"> & Partial<Kind>;

function kind(draft: Draft): Kind {
  return {
    singular: draft.kind.toLowerCase(),
    shortNames: [],
    namespaced: true,
    storageVersion: draft.versions[0]!,
    nameRule: "subdomain",
    statusSubresource: false,
    generation: false,
    categories: [],
    columns: columns[draft.kind] ?? [],
    ...draft,
  };
}

const fixed = (schema: Schema) => (): Promise<Schema> => Promise.resolve(schema);
const istio = { categories: ["istio-io", "all"], statusSubresource: true, generation: true } as const;
const network = ["v1", "v1beta1", "v1alpha3"] as const;
const core1 = { group: "", versions: ["v1"] } as const;

/** All kinds; to serve a new one, add a line (and its columns). */
export const kinds: readonly Kind[] = [
  kind({
    ...core1,
    kind: "Namespace",
    plural: "namespaces",
    shortNames: ["ns"],
    namespaced: false,
    nameRule: "label",
    statusSubresource: true,
    schema: fixed(core.namespaceSchema),
  }),
  kind({
    ...core1,
    kind: "Service",
    plural: "services",
    shortNames: ["svc"],
    nameRule: "label1035",
    statusSubresource: true,
    categories: ["all"],
    schema: fixed(core.serviceSchema),
  }),
  kind({
    ...core1,
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    shortNames: ["sa"],
    schema: fixed(core.serviceAccountSchema),
  }),
  kind({ ...core1, kind: "Secret", plural: "secrets", schema: fixed(core.secretSchema) }),
  kind({
    ...core1,
    kind: "ConfigMap",
    plural: "configmaps",
    shortNames: ["cm"],
    schema: fixed(core.configMapSchema),
  }),
  kind({ ...core1, kind: "Event", plural: "events", shortNames: ["ev"], schema: fixed(core.eventSchema) }),
  kind({
    group: "events.k8s.io",
    versions: ["v1"],
    kind: "Event",
    plural: "events",
    shortNames: ["ev"],
    schema: fixed(core.newEventSchema),
    storedAs: { group: "", plural: "events" },
  }),
  kind({
    group: "coordination.k8s.io",
    versions: ["v1"],
    kind: "Lease",
    plural: "leases",
    schema: fixed(core.leaseSchema),
  }),
  kind({
    group: "discovery.k8s.io",
    versions: ["v1"],
    kind: "EndpointSlice",
    plural: "endpointslices",
    generation: true,
    schema: fixed(core.endpointSliceSchema),
  }),
  kind({
    ...istio,
    group: "networking.istio.io",
    versions: network,
    kind: "VirtualService",
    plural: "virtualservices",
    shortNames: ["vs"],
    schema: () => istioSchema("VirtualService"),
  }),
  kind({
    ...istio,
    group: "networking.istio.io",
    versions: network,
    kind: "DestinationRule",
    plural: "destinationrules",
    shortNames: ["dr"],
    schema: () => istioSchema("DestinationRule"),
  }),
  kind({
    ...istio,
    group: "networking.istio.io",
    versions: network,
    kind: "WorkloadEntry",
    plural: "workloadentries",
    shortNames: ["we"],
    schema: () => istioSchema("WorkloadEntry"),
  }),
  kind({
    ...istio,
    group: "security.istio.io",
    versions: ["v1", "v1beta1"],
    kind: "PeerAuthentication",
    plural: "peerauthentications",
    shortNames: ["pa"],
    schema: () => istioSchema("PeerAuthentication"),
  }),
  kind({
    group: "linkerd.io",
    versions: ["v1alpha2"],
    kind: "ServiceProfile",
    plural: "serviceprofiles",
    shortNames: ["sp"],
    statusSubresource: true,
    generation: true,
    schema: fixed(serviceProfileSchema),
  }),
];

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
