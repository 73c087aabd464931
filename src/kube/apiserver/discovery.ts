/** Discovery: what `kubectl api-resources` and every client's REST mapper read. */
import { apiVersionOf, type Kind, sortVersions } from "../kinds/index.ts";
import type { Catalog } from "./catalog.ts";

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/** Kubernetes lists those of custom kinds in this order. */
const customVerbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const changeVerbs = ["get", "patch", "update"];

/** A resource as discovery lists it; a subresource has a slash in its name. */
interface Resource {
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

const review = (name: string, kind: string, namespaced = false): Resource => ({
  name,
  singularName: kind.toLowerCase(),
  namespaced,
  kind,
  verbs: ["create"],
});

/** What is asked and answered, never stored. */
const reviews: Readonly<Record<string, readonly Resource[]>> = {
  "authentication.k8s.io": [
    review("selfsubjectreviews", "SelfSubjectReview"),
    review("tokenreviews", "TokenReview"),
  ],
  "authorization.k8s.io": [
    review("localsubjectaccessreviews", "LocalSubjectAccessReview", true),
    review("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    review("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    review("subjectaccessreviews", "SubjectAccessReview"),
  ],
};

const groupsOf = (catalog: Catalog): string[] =>
  [...new Set([...catalog.kinds.map((k) => k.group), ...Object.keys(reviews)])].filter(Boolean);

/** Versions of a group, the preferred one first. */
export const versionsOf = (catalog: Catalog, group: string): string[] =>
  reviews[group]
    ? ["v1"]
    : sortVersions([...new Set(catalog.kinds.filter((k) => k.group === group).flatMap((k) => k.versions))]);

export const apiVersions = (host: string): unknown => ({
  kind: "APIVersions",
  versions: ["v1"],
  serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: host }],
});

export const apiGroupList = (catalog: Catalog): unknown => ({
  kind: "APIGroupList",
  apiVersion: "v1",
  groups: groupsOf(catalog).map((g) => groupOf(catalog, g)),
});

function groupOf(catalog: Catalog, group: string): Record<string, unknown> {
  const versions = versionsOf(catalog, group).map((version) => ({
    groupVersion: `${group}/${version}`,
    version,
  }));
  return { name: group, versions, preferredVersion: versions[0] };
}

/** undefined for a group that is not served. */
export const apiGroup = (catalog: Catalog, group: string): unknown =>
  groupsOf(catalog).includes(group)
    ? { kind: "APIGroup", apiVersion: "v1", ...groupOf(catalog, group) }
    : undefined;

/** What the other subresources take. */
const taken: Readonly<Record<string, Pick<Resource, "kind" | "verbs"> & Partial<Resource>>> = {
  token: { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: ["create"] },
  binding: { kind: "Binding", verbs: ["create"] },
  eviction: { group: "policy", version: "v1", kind: "Eviction", verbs: ["create"] },
  approval: { kind: "CertificateSigningRequest", verbs: changeVerbs },
};

function resourcesOf(kind: Kind): Resource[] {
  const base = {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
  };
  const below = { ...base, verbs: changeVerbs };
  const isNamespace = kind.kind === "Namespace" && kind.group === "";
  const list: Resource[] = [
    {
      ...base,
      verbs: isNamespace ? verbs.filter((v) => v !== "deletecollection") : kind.custom ? customVerbs : verbs,
      ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
      ...(kind.categories.length > 0 && { categories: kind.categories }),
    },
  ];
  if (isNamespace) list.push({ ...below, name: "namespaces/finalize", verbs: ["update"] });
  for (const name of kind.subresources)
    list.push({ ...below, ...taken[name], name: `${kind.plural}/${name}` });
  if (kind.scale)
    list.push({ ...below, name: `${kind.plural}/scale`, group: "autoscaling", version: "v1", kind: "Scale" });
  if (kind.statusSubresource) list.push({ ...below, name: `${kind.plural}/status` });
  return list;
}

const servedIn = (catalog: Catalog, group: string, version: string): Resource[] => [
  ...catalog.kinds.filter((k) => k.group === group && k.versions.includes(version)).flatMap(resourcesOf),
  ...(reviews[group] ?? []),
];

/** The resources of one group and version; undefined where it is not served. */
export function apiResources(catalog: Catalog, group: string, version: string): unknown {
  if (!versionsOf(catalog, group).includes(version)) return undefined;
  const resources = servedIn(catalog, group, version);
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: apiVersionOf(group, version), resources };
}

/** The version of aggregated discovery that the Accept header asks for; undefined: it does not. */
export function aggregatedVersion(accept: string | null): string | undefined {
  for (const entry of (accept ?? "").split(",")) {
    const params = new Set(entry.split(";").map((p) => p.trim()));
    if (!params.has("application/json") || !params.has("as=APIGroupDiscoveryList")) continue;
    for (const version of ["v2", "v2beta1"]) if (params.has(`v=${version}`)) return version;
  }
  return undefined;
}

/** All groups with their resources in one answer: of the core group, or of all others. */
export function aggregated(catalog: Catalog, core: boolean, version: string): unknown {
  const groups = core ? [""] : groupsOf(catalog);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { ...(group && { name: group }), creationTimestamp: null },
      versions: versionsOf(catalog, group).map((v) => ({
        version: v,
        freshness: "Current",
        resources: aggregatedResources(servedIn(catalog, group, v), group, v),
      })),
    })),
  };
}

function aggregatedResources(resources: readonly Resource[], group: string, version: string): unknown[] {
  const kindOf = (r: Resource) => ({ group: r.group ?? group, version: r.version ?? version, kind: r.kind });
  return resources
    .filter((r) => !r.name.includes("/"))
    .map((r) => {
      const below = resources.filter((s) => s.name.startsWith(`${r.name}/`));
      return {
        resource: r.name,
        responseKind: kindOf(r),
        scope: r.namespaced ? "Namespaced" : "Cluster",
        singularResource: r.singularName,
        verbs: r.verbs,
        ...(r.shortNames && { shortNames: r.shortNames }),
        ...(r.categories && { categories: r.categories }),
        ...(below.length > 0 && {
          subresources: below.map((s) => ({
            subresource: s.name.slice(r.name.length + 1),
            responseKind: kindOf(s),
            verbs: s.verbs,
          })),
        }),
      };
    });
}

/** What `kubectl version` shows; clients use it to judge skew. */
export const versionInfo = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.4+weft",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "bun",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
};
