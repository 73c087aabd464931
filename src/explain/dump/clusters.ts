import { type ClusterName, clusterName, meansHost } from "./cluster-name.ts";
import type { Dump, DumpedResource } from "./dump.ts";
import type { DumpFilter } from "./filter.ts";
import { textAt } from "./json.ts";
import { type Owner, ownerOf } from "./owner.ts";

export interface ClusterRow extends ClusterName {
  readonly name: string;
  readonly type: string;
  readonly owner: Owner;
  readonly source: DumpedResource;
}

/** Sorted by host, port, subset and direction, as istioctl does. */
export function clusterRows(dump: Dump, filter: DumpFilter = {}): readonly ClusterRow[] {
  return dump.clusters
    .map((source): ClusterRow => {
      const { resource, name } = source;
      const told = clusterName(name);
      // Clusters of applications are called `inbound|9080||`: the host is in the metadata.
      const host = textAt(resource["metadata"], "filter_metadata", "weft", "service", "host");
      return {
        name,
        ...told,
        fqdn: told.fqdn === "-" ? host || "-" : told.fqdn,
        type: typeOf(source),
        owner: ownerOf(resource["metadata"]),
        source,
      };
    })
    .filter((row) => keepCluster(row, filter))
    .sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

export function keepCluster(row: ClusterName & { readonly name: string }, filter: DumpFilter): boolean {
  return (
    (filter.fqdn === undefined || meansHost(filter.fqdn, row.fqdn)) &&
    (filter.port === undefined || row.port === String(filter.port)) &&
    (filter.direction === undefined || row.direction === filter.direction) &&
    (filter.subset === undefined || row.subset === filter.subset) &&
    (filter.name === undefined || row.name === filter.name)
  );
}

const key = (row: ClusterName): string =>
  [row.fqdn, row.port.padStart(5, "0"), row.subset, row.direction].join(" ");

function typeOf({ resource }: DumpedResource): string {
  const custom = textAt(resource, "cluster_type", "name");
  return custom === "" ? textAt(resource, "type") || "STATIC" : custom.replace(/^envoy\.clusters?\./, "");
}
