import { destinationOf, meansHost } from "./cluster-name.ts";
import type { Dump, DumpedResource } from "./dump.ts";
import type { DumpFilter } from "./filter.ts";
import { isObject, type Json, listAt, objectAt, textAt, textsAt } from "./json.ts";
import { inlineRoutes } from "./listeners.ts";
import { firstOwner, type Owner } from "./owner.ts";

/** One route of one virtual host. */
export interface RouteRow {
  /** Of the table. */
  readonly name: string;
  readonly host: string;
  readonly domains: readonly string[];
  readonly match: string;
  readonly destination: string;
  readonly owner: Owner;
  readonly source: DumpedResource;
}

/** Tables of streams and files, then those that stand in a listener; routes in their order, the first match wins. */
export function routeRows(dump: Dump, filter: DumpFilter = {}): readonly RouteRow[] {
  const named = new Set(dump.routes.map((r) => r.name));
  const tables = [...dump.routes, ...inlineRoutes(dump).filter((r) => !named.has(r.name))];
  return tables
    .filter((t) => filter.name === undefined || t.name === filter.name)
    .flatMap((source) => listAt(source.resource, "virtual_hosts").flatMap((host) => rowsOf(source, host)))
    .filter((row) => keep(row, filter));
}

function keep(row: RouteRow, { fqdn, port }: DumpFilter): boolean {
  const name = row.host.replace(/:\d+$/, "");
  const number = /:(\d+)$/.exec(row.host)?.[1] ?? /^inbound\|[^|]*\|(\d+)/.exec(row.host)?.[1];
  return (
    (fqdn === undefined || meansHost(fqdn, name) || row.domains.includes(fqdn)) &&
    (port === undefined || number === String(port) || row.domains.some((d) => d.endsWith(`:${port}`)))
  );
}

function rowsOf(source: DumpedResource, host: Json): readonly RouteRow[] {
  return listAt(host, "routes").map((route) => ({
    name: source.name,
    host: textAt(host, "name"),
    domains: textsAt(host, "domains"),
    match: matchText(objectAt(route, "match")),
    destination: actionText(route),
    owner: firstOwner(route["metadata"], host["metadata"]),
    source,
  }));
}

function matchText(match: Json | undefined): string {
  const headers = listAt(match, "headers").map((h) => `${textAt(h, "name")}${condition(h)}`);
  const query = listAt(match, "query_parameters").map((q) => `?${textAt(q, "name")}${condition(q)}`);
  return [pathText(match), ...headers, ...query].join(" ");
}

function pathText(match: Json | undefined): string {
  if (objectAt(match, "connect_matcher")) return "CONNECT";
  const path = textAt(match, "path");
  if (path !== "") return path;
  const regex = textAt(match, "safe_regex", "regex");
  if (regex !== "") return `~${regex}`;
  const separated = textAt(match, "path_separated_prefix");
  return separated === "" ? `${textAt(match, "prefix")}*` : `${separated}[/*]`;
}

/** `=jason`, `=jas*`, `~regex`, `` (there at all); `!` in front where it is turned round. */
function condition(matcher: Json): string {
  const inverted = matcher["invert_match"] === true || matcher["invertMatch"] === true ? "!" : "";
  const match = objectAt(matcher, "string_match") ?? matcher;
  const first = (field: string, show: (value: string) => string): string => {
    const value = textAt(match, field) || textAt(match, `${field}_match`);
    return value === "" ? "" : `${inverted}${show(value)}`;
  };
  const regex = textAt(match, "safe_regex", "regex") || textAt(match, "safe_regex_match", "regex");
  return (
    first("exact", (v) => `=${v}`) ||
    first("prefix", (v) => `=${v}*`) ||
    first("suffix", (v) => `=*${v}`) ||
    first("contains", (v) => `=*${v}*`) ||
    (regex === "" ? inverted : `${inverted}~${regex}`)
  );
}

function actionText(route: Json): string {
  const action = objectAt(route, "route");
  if (action) return forwardText(action);
  const redirect = objectAt(route, "redirect");
  if (redirect) return redirectText(redirect);
  const answer = objectAt(route, "direct_response");
  if (answer) return `answers ${textAt(answer, "status")}`;
  return isObject(route["non_forwarding_action"] ?? route["nonForwardingAction"]) ? "served here" : "-";
}

function forwardText(action: Json): string {
  const cluster = textAt(action, "cluster");
  if (cluster !== "") return destinationOf(cluster);
  const shares = listAt(action, "weighted_clusters", "clusters");
  if (shares.length === 0) return textAt(action, "cluster_header") || "-";
  const weight = (share: Json): number => Number(textAt(share, "weight") || 0);
  const total = shares.reduce((sum, s) => sum + weight(s), 0);
  const percent = (share: Json): string => `${Number(((100 * weight(share)) / (total || 1)).toFixed(1))}%`;
  return shares.map((s) => `${destinationOf(textAt(s, "name"))} ${percent(s)}`).join(", ");
}

const redirectCodes: Readonly<Record<string, string>> = {
  FOUND: "302",
  SEE_OTHER: "303",
  TEMPORARY_REDIRECT: "307",
  PERMANENT_REDIRECT: "308",
};

function redirectText(redirect: Json): string {
  const code = redirectCodes[textAt(redirect, "response_code")] ?? "301";
  const host = textAt(redirect, "host_redirect");
  const scheme = textAt(redirect, "scheme_redirect");
  const path = textAt(redirect, "path_redirect") || textAt(redirect, "prefix_rewrite");
  return `redirects ${code} ${scheme === "" ? "" : `${scheme}://`}${host}${path}`.trimEnd();
}
