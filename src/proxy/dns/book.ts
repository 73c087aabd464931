/** The mesh's names as they are looked up: by any form a caller may use, by address, by what lies below a name. */
import type { NameTable, NameTable_NameInfo } from "../../proto/gen/istio/networking/nds/v1/nds_pb.js";
import { formatIp, parseIp } from "../../wire/ip/index.ts";

export interface NamedPort {
  readonly name: string;
  readonly number: number;
}

export interface Entry {
  /** Full name. */
  readonly host: string;
  readonly v4: readonly Uint8Array[];
  readonly v6: readonly Uint8Array[];
  readonly ports: readonly NamedPort[];
  /** Of a headless service: the names of its endpoints. */
  readonly endpoints: readonly string[];
  /** It is an endpoint, or its addresses are endpoints'. */
  readonly fleeting: boolean;
}

export interface NameBook {
  readonly clusterDomain: string;
  find(name: string): Entry | undefined;
  /** Whose address this is. */
  reverse(address: string): string | undefined;
  /** Names exist below it, though none is exactly this. */
  hasBelow(name: string): boolean;
}

const emptyTable = { table: {}, clusterDomain: "cluster.local" };

/** `namespace`: of the caller, whose services need no namespace. */
export function createBook(
  table: Pick<NameTable, "table" | "clusterDomain"> = emptyTable,
  namespace = "default",
): NameBook {
  const exact = new Map<string, Entry>();
  const short = new Map<string, Entry>();
  const addresses = new Map<string, string>();
  const above = new Set<string>();
  const clusterDomain = table.clusterDomain || emptyTable.clusterDomain;
  const hosts = Object.keys(table.table).sort();
  const endpoints = new Set(hosts.flatMap((h) => table.table[h]!.endpoints));
  for (const host of hosts) {
    const info = table.table[host]!;
    const entry = entryOf(host, info, endpoints.has(host));
    exact.set(entry.host, entry);
    for (const form of shortForms(info, namespace)) if (!short.has(form)) short.set(form, entry);
    for (let at = entry.host.indexOf("."); at >= 0; at = entry.host.indexOf(".", at + 1))
      above.add(entry.host.slice(at + 1));
    for (const ip of info.ips) {
      const bytes = parseIp(ip);
      // Of a headless service the endpoint's own name is the better answer; it comes before or after.
      if (bytes && (!addresses.has(formatIp(bytes)) || endpoints.has(host)))
        addresses.set(formatIp(bytes), entry.host);
    }
  }
  return {
    clusterDomain,
    find: (name) => exact.get(name) ?? short.get(name) ?? wildcard(exact, name),
    reverse: (address) => addresses.get(address),
    hasBelow: (name) => above.has(name),
  };
}

function entryOf(host: string, info: NameTable_NameInfo, isEndpoint: boolean): Entry {
  const bytes = info.ips.flatMap((ip) => parseIp(ip) ?? []);
  return {
    host: host.toLowerCase(),
    v4: bytes.filter((b) => b.length === 4),
    v6: bytes.filter((b) => b.length === 16),
    ports: info.ports,
    endpoints: info.endpoints,
    fleeting: isEndpoint || info.endpoints.length > 0 || info.ips.length === 0,
  };
}

function shortForms(info: NameTable_NameInfo, namespace: string): string[] {
  const { shortname, namespace: own } = info;
  if (shortname === "" || own === "") return [];
  const forms = [`${shortname}.${own}`, `${shortname}.${own}.svc`];
  return own === namespace ? [shortname, ...forms] : forms;
}

/** `*.suffix`: the longest suffix that there is one for. */
function wildcard(exact: ReadonlyMap<string, Entry>, name: string): Entry | undefined {
  for (let at = name.indexOf("."); at >= 0; at = name.indexOf(".", at + 1)) {
    const found = exact.get(`*${name.slice(at)}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
