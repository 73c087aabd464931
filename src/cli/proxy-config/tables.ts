/** Rows -> columns, istioctl's, with the object that made each row at the end. */
import {
  bootstrapFacts,
  clusterRows,
  type Dump,
  type DumpedResource,
  type DumpFilter,
  endpointRows,
  listenerRows,
  type Owner,
  routeRows,
  secretRows,
} from "../../explain/dump/index.ts";

export const sections = ["clusters", "listeners", "routes", "endpoints", "secrets", "bootstrap"] as const;
export type Section = (typeof sections)[number];

export interface Page {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What `-o json` shows: the resources that have a row. */
  readonly data: unknown;
  /** Resources that the proxy refused, with its reason. */
  readonly refused: readonly DumpedResource[];
}

type Builder = (dump: Dump, filter: DumpFilter, now: number) => Page;

const owned = ["OWNER", "WHERE"] as const;
const owner = ({ object, where }: Owner): readonly [string, string] => [object || "-", where || "-"];

function resources(rows: readonly { readonly source: DumpedResource }[]): readonly unknown[] {
  return [...new Set(rows.map((r) => r.source.resource))];
}

function refused(rows: readonly { readonly source: DumpedResource }[]): readonly DumpedResource[] {
  return [...new Set(rows.map((r) => r.source))].filter((s) => s.error !== "");
}

/** Not in effect yet, or not any more for long. */
function pending({ state }: DumpedResource): string {
  return state === "warming" || state === "draining" ? ` (${state})` : "";
}

/** The first two names; a service has a dozen. */
function some(domains: readonly string[]): string {
  const more = domains.length - 2;
  return `${domains.slice(0, 2).join(", ")}${more > 0 ? ` + ${more} more` : ""}`;
}

const builders: Readonly<Record<Section, Builder>> = {
  clusters(dump, filter) {
    const rows = clusterRows(dump, filter);
    return {
      header: ["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", ...owned],
      rows: rows.map((r) => [
        r.fqdn,
        r.port,
        r.subset,
        r.direction,
        `${r.type}${pending(r.source)}`,
        ...owner(r.owner),
      ]),
      data: resources(rows),
      refused: refused(rows),
    };
  },
  listeners(dump, filter) {
    const rows = listenerRows(dump, filter);
    return {
      header: ["NAME", "ADDRESS", "PORT", "MATCH", "DESTINATION", ...owned],
      rows: rows.map((r) => [
        r.name,
        r.address,
        r.port,
        r.match,
        `${r.destination}${pending(r.source)}`,
        ...owner(r.owner),
      ]),
      data: resources(rows),
      refused: refused(rows),
    };
  },
  routes(dump, filter) {
    const rows = routeRows(dump, filter);
    return {
      header: ["NAME", "VHOST NAME", "DOMAINS", "MATCH", "DESTINATION", ...owned],
      rows: rows.map((r) => [
        r.name || "-",
        r.host,
        some(r.domains),
        r.match,
        r.destination,
        ...owner(r.owner),
      ]),
      data: resources(rows),
      refused: refused(rows),
    };
  },
  endpoints(dump, filter) {
    const rows = endpointRows(dump, filter);
    return {
      header: ["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER", "WORKLOAD", "TLS", ...owned],
      rows: rows.map((r) => [
        r.endpoint,
        r.status,
        r.outlier,
        r.cluster,
        r.workload || "-",
        r.tls,
        ...owner(r.owner),
      ]),
      data: rows,
      refused: [],
    };
  },
  secrets(dump, filter, now) {
    const rows = secretRows(dump, now, filter);
    const valid = (v: boolean | undefined): string => (v === undefined ? "-" : String(v));
    return {
      header: [
        "RESOURCE NAME",
        "TYPE",
        "STATUS",
        "VALID CERT",
        "SERIAL NUMBER",
        "NOT AFTER",
        "NOT BEFORE",
        "IDENTITY",
      ],
      rows: rows.map((r) => [
        r.name,
        r.type,
        r.status,
        valid(r.valid),
        r.serial,
        r.notAfter,
        r.notBefore,
        r.identity || "-",
      ]),
      data: resources(rows),
      refused: refused(rows),
    };
  },
  bootstrap(dump) {
    return {
      header: ["FIELD", "VALUE"],
      rows: bootstrapFacts(dump),
      data: dump.bootstrap ?? {},
      refused: [],
    };
  },
};

/** `now`: wall clock, ms since the epoch. */
export function pageOf(section: Section, dump: Dump, filter: DumpFilter, now: number): Page {
  return builders[section](dump, filter, now);
}
