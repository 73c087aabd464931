import { clusterName } from "./cluster-name.ts";
import { keepCluster } from "./clusters.ts";
import type { Dump } from "./dump.ts";
import type { DumpFilter } from "./filter.ts";
import { addressAt, at, hostPort, type Json, listAt, objectAt, textAt } from "./json.ts";
import { type Owner, ownerOf } from "./owner.ts";

export interface EndpointRow {
  /** `address:port`. */
  readonly endpoint: string;
  readonly cluster: string;
  /** HEALTHY, UNHEALTHY, DRAINING, DEGRADED, TIMEOUT. */
  readonly status: string;
  /** FAILED: ejected. `-`: the dump holds no statuses. */
  readonly outlier: "OK" | "FAILED" | "-";
  readonly weight: string;
  /** `reviews-v1.default`; "" where the dump does not say. */
  readonly workload: string;
  /** mutual: the mesh's mutual TLS. */
  readonly tls: "mutual" | "plain" | "-";
  /** Of the cluster: which rule gathers these endpoints. */
  readonly owner: Owner;
}

type Known = Omit<EndpointRow, "outlier" | "owner">;

/** What was configured, with the health that the proxy saw where the dump has it. */
export function endpointRows(dump: Dump, filter: DumpFilter = {}): readonly EndpointRow[] {
  const owners = new Map(dump.clusters.map((c) => [c.name, ownerOf(c.resource["metadata"])]));
  const known = new Map(configured(dump).map((e) => [`${e.cluster} ${e.endpoint}`, e]));
  const seen = dump.statuses.flatMap(statusesOf);
  const rows: readonly Omit<EndpointRow, "owner">[] =
    seen.length > 0
      ? seen.map((s) => {
          const config = known.get(`${s.cluster} ${s.endpoint}`);
          const status = s.status === "HEALTHY" && config ? config.status : s.status;
          return { ...s, status, workload: config?.workload ?? "", tls: config?.tls ?? "-" };
        })
      : [...known.values()].map((e) => ({ ...e, outlier: "-" as const }));
  return rows
    .filter((row) => keep(row, filter))
    .map((row) => ({ ...row, owner: owners.get(row.cluster) ?? { object: "", where: "" } }))
    .sort((a, b) => (a.cluster + a.endpoint < b.cluster + b.endpoint ? -1 : 1));
}

function keep(row: Omit<EndpointRow, "owner">, filter: DumpFilter): boolean {
  const { fqdn, direction, subset } = filter;
  const colon = row.endpoint.lastIndexOf(":");
  return (
    keepCluster({ ...clusterName(row.cluster), name: row.cluster }, { fqdn, direction, subset }) &&
    (filter.cluster === undefined || row.cluster === filter.cluster) &&
    (filter.port === undefined || row.endpoint.slice(colon + 1) === String(filter.port)) &&
    (filter.address === undefined ||
      row.endpoint.slice(0, colon).replace(/^\[|\]$/g, "") === filter.address) &&
    (filter.status === undefined || row.status.toLowerCase() === filter.status.toLowerCase())
  );
}

function configured(dump: Dump): readonly Known[] {
  const inline = dump.clusters.flatMap(({ resource, name }) => {
    const assignment = objectAt(resource, "load_assignment");
    return assignment ? [{ name, assignment }] : [];
  });
  const streamed = dump.endpoints.map(({ name, resource }) => ({ name, assignment: resource }));
  return [...inline, ...streamed].flatMap(({ name, assignment }) =>
    listAt(assignment, "endpoints").flatMap((locality) =>
      listAt(locality, "lb_endpoints").map((e) => configuredOne(name, e)),
    ),
  );
}

function configuredOne(cluster: string, endpoint: Json): Known {
  const metadata = objectAt(endpoint, "metadata", "filter_metadata");
  const peer = objectAt(metadata, "weft", "peer");
  const mode = textAt(metadata?.["envoy.transport_socket_match"], "tlsMode");
  const health = textAt(endpoint, "health_status");
  return {
    endpoint: hostPort(addressAt(endpoint, "endpoint", "address")),
    cluster,
    status: health === "" || health === "UNKNOWN" ? "HEALTHY" : health,
    weight: textAt(endpoint, "load_balancing_weight") || "1",
    workload: peer ? `${textAt(peer, "workload")}.${textAt(peer, "namespace")}` : "",
    tls: mode === "istio" ? "mutual" : "plain",
  };
}

function statusesOf(
  status: Json,
): readonly (Omit<Known, "workload" | "tls"> & Pick<EndpointRow, "outlier">)[] {
  return listAt(status, "host_statuses").map((host) => {
    const health = objectAt(host, "health_status");
    const eds = textAt(health, "eds_health_status");
    const failed = at(health, "failed_active_health_check") === true;
    return {
      endpoint: hostPort(addressAt(host, "address")),
      cluster: textAt(status, "name"),
      status: failed ? "UNHEALTHY" : eds === "" || eds === "UNKNOWN" ? "HEALTHY" : eds,
      outlier: at(health, "failed_outlier_check") === true ? "FAILED" : "OK",
      weight: textAt(host, "weight") || "1",
    };
  });
}
