/** Discovery: what `kubectl api-resources` and every client's REST mapper read. */
import { apiVersionOf, type Kind, kinds } from "../kinds/index.ts";

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

const groups = (): string[] =>
  [...new Set(kinds.map((k) => k.group)), "authentication.k8s.io"].filter(Boolean);
/** Versions of a group, the preferred one first. */
export const versionsOf = (group: string): string[] =>
  group === "authentication.k8s.io"
    ? ["v1"]
    : [...new Set(kinds.filter((k) => k.group === group).flatMap((k) => k.versions))];

export const apiVersions = (host: string): unknown => ({
  kind: "APIVersions",
  versions: ["v1"],
  serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: host }],
});

export const apiGroupList = (): unknown => ({
  kind: "APIGroupList",
  apiVersion: "v1",
  groups: groups().map((g) => groupOf(g)),
});

function groupOf(group: string): Record<string, unknown> {
  const versions = versionsOf(group).map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

/** undefined for a group that is not served. */
export const apiGroup = (group: string): unknown =>
  groups().includes(group) ? { kind: "APIGroup", apiVersion: "v1", ...groupOf(group) } : undefined;

function resourcesOf(kind: Kind): unknown[] {
  const base = {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
  };
  const list: unknown[] = [
    {
      ...base,
      verbs,
      ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
      ...(kind.categories.length > 0 && { categories: kind.categories }),
    },
  ];
  if (kind.statusSubresource) {
    list.push({
      ...base,
      name: `${kind.plural}/status`,
      singularName: "",
      verbs: ["get", "patch", "update"],
    });
  }
  if (kind.kind === "ServiceAccount") {
    list.push({
      name: "serviceaccounts/token",
      singularName: "",
      namespaced: true,
      group: "authentication.k8s.io",
      version: "v1",
      kind: "TokenRequest",
      verbs: ["create"],
    });
  }
  return list;
}

/** The resources of one group and version; undefined where it is not served. */
export function apiResources(group: string, version: string): unknown {
  if (!versionsOf(group).includes(version)) return undefined;
  const resources =
    group === "authentication.k8s.io"
      ? [
          {
            name: "tokenreviews",
            singularName: "tokenreview",
            namespaced: false,
            kind: "TokenReview",
            verbs: ["create"],
          },
        ]
      : kinds.filter((k) => k.group === group && k.versions.includes(version)).flatMap(resourcesOf);
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: apiVersionOf(group, version), resources };
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
