/** Who calls whom, from the sidecars' own metrics pages. */
import { type Instance, obituary, type Stack } from "./stack.ts";

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Prometheus text format, as far as the sidecars write it. */
export function parsePrometheus(text: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match || line.startsWith("#")) continue;
    const labels: Record<string, string> = {};
    for (const [, key, value] of (match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[key!] = value!.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
    samples.push({ name: match[1]!, labels, value: Number(match[3]) });
  }
  return samples;
}

/** Running totals of one edge. */
interface Totals {
  requests: number;
  errors: number;
  locked: number;
  seenByServer: number;
  readonly versions: Map<string, number>;
  /** Upper bound in ms -> cumulative count. */
  readonly buckets: Map<number, number>;
}

export type Snapshot = ReadonlyMap<string, Totals>;

const blank = (): Totals => ({
  ...{ requests: 0, errors: 0, locked: 0, seenByServer: 0 },
  versions: new Map(),
  buckets: new Map(),
});

/** A sidecar's metrics page could not be had; the message says whose, and what became of it. */
export class SilentInstance extends Error {
  override name = "SilentInstance";
}

async function page(instance: Instance): Promise<string> {
  try {
    return await (await fetch(`http://${instance.address}:15020/stats/prometheus`)).text();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SilentInstance(`no metrics page (${why}) of ${obituary(instance)}`);
  }
}

/** Edges of all sidecars at this moment: `caller -> service`. Rejects with SilentInstance. */
export async function scrape(stack: Pick<Stack, "instances">): Promise<Snapshot> {
  const pages = await Promise.all(stack.instances.map(page));
  return collect(pages.flatMap((p) => parsePrometheus(p)));
}

export function collect(samples: readonly Sample[]): Snapshot {
  const edges = new Map<string, Totals>();
  for (const { name, labels, value } of samples) {
    const from = labels["source_app"] ?? labels["source_workload"] ?? "";
    const to = labels["destination_service_name"] ?? "";
    if (from === "" || to === "" || from === "unknown" || to === "unknown") continue;
    const key = `${from} -> ${to}`;
    const edge = edges.get(key) ?? blank();
    edges.set(key, edge);
    const bySource = labels["reporter"] === "source";
    if (name === "istio_requests_total" && bySource) {
      edge.requests += value;
      if (Number(labels["response_code"]) >= 500 || labels["response_code"] === "0") edge.errors += value;
      const version = labels["destination_version"] ?? "unknown";
      edge.versions.set(version, (edge.versions.get(version) ?? 0) + value);
    } else if (name === "istio_requests_total") {
      edge.seenByServer += value;
      if (labels["connection_security_policy"] === "mutual_tls") edge.locked += value;
    } else if (name === "istio_request_duration_milliseconds_bucket" && bySource) {
      const le = labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]);
      edge.buckets.set(le, (edge.buckets.get(le) ?? 0) + value);
    }
  }
  return edges;
}

/** Smallest bucket bound under which 99 of 100 requests between the two snapshots ended; ms. */
function p99(now: Totals, before: Totals): number {
  const bounds = [...now.buckets].sort((a, b) => a[0] - b[0]);
  const since = bounds.map(([le, n]) => [le, n - (before.buckets.get(le) ?? 0)] as const);
  const all = since.at(-1)?.[1] ?? 0;
  return since.find(([, n]) => n >= all * 0.99)?.[0] ?? Number.NaN;
}

export interface EdgeRow {
  readonly edge: string;
  readonly perSecond: number;
  readonly errorsPercent: number;
  readonly p99Ms: number;
  readonly locked: boolean;
  readonly versions: string;
}

/** What happened between two snapshots `seconds` apart; edges without a request are left out. */
export function edgesBetween(before: Snapshot, now: Snapshot, seconds: number): readonly EdgeRow[] {
  const rows: EdgeRow[] = [];
  for (const [edge, totals] of [...now].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const old = before.get(edge) ?? blank();
    const requests = totals.requests - old.requests;
    if (requests <= 0) continue;
    const versions = [...totals.versions]
      .map(([version, n]) => [version, n - (old.versions.get(version) ?? 0)] as const)
      .filter(([, n]) => n > 0)
      .sort()
      .map(([version, n]) => `${version} ${Math.round((100 * n) / requests)}%`);
    rows.push({
      edge,
      perSecond: requests / seconds,
      errorsPercent: (100 * (totals.errors - old.errors)) / requests,
      p99Ms: p99(totals, old),
      locked:
        totals.seenByServer - old.seenByServer > 0 &&
        totals.locked - old.locked === totals.seenByServer - old.seenByServer,
      versions: versions.join(", "),
    });
  }
  return rows;
}

/** The table as text. */
export function edgeTable(rows: readonly EdgeRow[]): string {
  const cells = rows.map((r) => [
    r.edge,
    r.perSecond.toFixed(1),
    `${r.errorsPercent.toFixed(1)}%`,
    Number.isFinite(r.p99Ms) ? `<=${r.p99Ms} ms` : "-",
    r.locked ? "mTLS" : "open",
    r.versions,
  ]);
  const head = ["EDGE", "REQ/S", "ERRORS", "P99", "LOCK", "VERSIONS"];
  const widths = head.map((h, i) => Math.max(h.length, ...cells.map((c) => c[i]!.length)));
  return [head, ...cells]
    .map((row) => `  ${row.map((c, i) => c.padEnd(widths[i]!)).join("  ")}`.trimEnd())
    .join("\n");
}
