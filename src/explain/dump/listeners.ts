import { destinationOf } from "./cluster-name.ts";
import type { Dump, DumpedResource } from "./dump.ts";
import type { DumpFilter } from "./filter.ts";
import { addressAt, type Json, listAt, objectAt, textAt, textsAt } from "./json.ts";
import { firstOwner, type Owner } from "./owner.ts";

/** One filter chain. */
export interface ListenerRow {
  readonly name: string;
  readonly address: string;
  readonly port: string;
  readonly direction: string;
  readonly match: string;
  readonly destination: string;
  readonly owner: Owner;
  readonly source: DumpedResource;
}

/** Sorted by port and address; a listener's chains stay in their order. */
export function listenerRows(dump: Dump, filter: DumpFilter = {}): readonly ListenerRow[] {
  return dump.listeners
    .flatMap(rowsOf)
    .filter(
      (row) =>
        (filter.port === undefined || row.port === String(filter.port)) &&
        (filter.direction === undefined || row.direction === filter.direction) &&
        (filter.address === undefined || row.address === filter.address) &&
        (filter.name === undefined || row.name === filter.name),
    )
    .sort(
      (a, b) =>
        Number(a.port) - Number(b.port) || (a.address < b.address ? -1 : a.address > b.address ? 1 : 0),
    );
}

function rowsOf(source: DumpedResource): readonly ListenerRow[] {
  const { resource, name } = source;
  const address = addressAt(resource, "address");
  const common = {
    name,
    address: address?.host ?? "-",
    port: address?.port || "0",
    direction: textAt(resource, "traffic_direction").toLowerCase() || "-",
    source,
  };
  const metadata = resource["metadata"];
  const api = objectAt(resource, "api_listener", "api_listener");
  if (api) {
    const destination = managerDestination(api);
    return [{ ...common, match: "API", destination, owner: firstOwner(metadata) }];
  }
  const fallback = objectAt(resource, "default_filter_chain");
  const chains = [...listAt(resource, "filter_chains"), ...(fallback ? [fallback] : [])];
  if (chains.length === 0)
    return [
      {
        ...common,
        match: "-",
        destination: source.state === "refused" ? "refused" : "-",
        owner: firstOwner(metadata),
      },
    ];
  return chains.map((chain) => ({
    ...common,
    match: chain === fallback ? "else" : matchOf(objectAt(chain, "filter_chain_match")),
    destination: destinationOfChain(chain),
    owner: firstOwner(chain["metadata"], metadata),
  }));
}

function matchOf(match: Json | undefined): string {
  const ranges = listAt(match, "prefix_ranges").map(
    (r) => `${textAt(r, "address_prefix")}/${textAt(r, "prefix_len")}`,
  );
  const parts: readonly (readonly [string, string])[] = [
    ["Trans", textAt(match, "transport_protocol")],
    ["SNI", textsAt(match, "server_names").join(",")],
    ["ALPN", textsAt(match, "application_protocols").join(",")],
    ["Addr", ranges.join(",")],
    ["Port", textAt(match, "destination_port")],
  ];
  const told = parts.filter(([, value]) => value !== "").map(([label, value]) => `${label}: ${value}`);
  return told.length === 0 ? "ALL" : told.join("; ");
}

function destinationOfChain(chain: Json): string {
  const filters = listAt(chain, "filters");
  if (filters.length === 0) return "closed at once";
  for (const filter of filters) {
    const config = objectAt(filter, "typed_config");
    const type = textAt(config, "@type");
    if (type.endsWith(".HttpConnectionManager")) return managerDestination(config!);
    if (type.endsWith(".TcpProxy")) return `Cluster: ${tcpDestination(config!)}`;
  }
  return textAt(filters.at(-1), "name");
}

function tcpDestination(proxy: Json): string {
  const cluster = textAt(proxy, "cluster");
  if (cluster !== "") return destinationOf(cluster);
  const shares = listAt(proxy, "weighted_clusters", "clusters");
  return shares.map((s) => `${destinationOf(textAt(s, "name"))} ${textAt(s, "weight")}`).join(", ");
}

function managerDestination(manager: Json): string {
  const rds = textAt(manager, "rds", "route_config_name");
  if (rds !== "") return `Route: ${rds}`;
  const inline = objectAt(manager, "route_config");
  return inline ? `Inline Route: ${textAt(inline, "name") || "(no name)"}` : textAt(manager, "stat_prefix");
}

/** Tables that stand in a listener, by their names. */
export function inlineRoutes(dump: Dump): readonly DumpedResource[] {
  return dump.listeners.flatMap((listener) => {
    const { resource } = listener;
    const managers = [
      objectAt(resource, "api_listener", "api_listener"),
      ...listAt(resource, "filter_chains").flatMap((chain) =>
        listAt(chain, "filters").map((f) => objectAt(f, "typed_config")),
      ),
    ];
    return managers.flatMap((manager): readonly DumpedResource[] => {
      const table = objectAt(manager, "route_config");
      return table
        ? [{ ...listener, resource: table, name: textAt(table, "name"), state: "static", error: "" }]
        : [];
    });
  });
}
