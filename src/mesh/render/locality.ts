/** Endpoints by place, as the caller is to see them: shares of places, or one place after the other. */
import type { LocalityBalancing, Mesh, MeshConfig, TrafficPolicy, Workload } from "../model/index.ts";
import type { Member } from "./target.ts";

/** Where the caller is, and what it is labelled. */
export interface Standpoint {
  readonly locality: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly network?: string;
  readonly cluster?: string;
}

export interface Placement {
  readonly locality: string;
  readonly priority: number;
  /** Share of the requests; absent: by the number of endpoints. */
  readonly weight?: number;
  readonly members: readonly Member[];
}

const region = "topology.kubernetes.io/region";
const zone = "topology.kubernetes.io/zone";
const subzone = "topology.istio.io/subzone";
const network = "topology.istio.io/network";
const cluster = "topology.istio.io/cluster";

const byNearness: Omit<LocalityBalancing, "origin"> = {
  enabled: true,
  distribute: [],
  failover: [],
  failoverPriority: [],
};

/** A policy's own word, else the mesh's, else Istio's default: with outlier detection the nearest first. */
export function localityPlan(
  policy: TrafficPolicy,
  config: MeshConfig,
): Omit<LocalityBalancing, "origin"> | undefined {
  const said = policy.locality ?? config.locality;
  if (said !== undefined) return said.enabled ? said : undefined;
  return policy.outlier === undefined ? undefined : byNearness;
}

/** True where some caller may see endpoints otherwise than another of its namespace. */
export function localityMatters(mesh: Mesh): boolean {
  const asks = (p: TrafficPolicy): boolean => p.locality !== undefined || p.outlier !== undefined;
  const somewhere =
    mesh.workloads.some((w) => w.locality !== "") ||
    mesh.policies.some((p) => (p.policy.locality?.failoverPriority.length ?? 0) > 0);
  const all = (p: Mesh["policies"][number]): boolean =>
    [p.policy, ...Object.values(p.ports)].some(asks) ||
    p.subsets.some((s) => [s.policy, ...Object.values(s.ports)].some(asks));
  return somewhere && (mesh.config.locality !== undefined || mesh.policies.some(all));
}

/** Labels of callers that some policy goes by, those of places left out. */
export function localityLabels(mesh: Mesh): readonly string[] {
  const of = (p: TrafficPolicy): readonly string[] => p.locality?.failoverPriority ?? [];
  const all = mesh.policies.flatMap((p) => [
    ...[p.policy, ...Object.values(p.ports)].flatMap(of),
    ...p.subsets.flatMap((s) => [s.policy, ...Object.values(s.ports)].flatMap(of)),
  ]);
  return [...all, ...(mesh.config.locality?.failoverPriority ?? [])].flatMap((key) =>
    key.includes("=") || key.startsWith("topology.") ? [] : [key],
  );
}

/** Undefined: the caller's place changes nothing. */
export function placementsOf(
  members: readonly Member[],
  plan: Omit<LocalityBalancing, "origin"> | undefined,
  from: Standpoint,
): readonly Placement[] | undefined {
  if (plan === undefined) return undefined;
  const rule = plan.distribute.find((d) => covers(d.from, from.locality));
  if (from.locality !== "" && rule !== undefined) return distributed(members, rule.to);
  if (plan.failoverPriority.length > 0)
    return ordered(members, (m) => labelRank(plan.failoverPriority, from, m.workload));
  if (from.locality === "") return undefined;
  return ordered(members, (m) => nearness(from.locality, m.workload.locality, plan.failover));
}

/** `region/zone/*` covers what is in it; segments that are not written count as `*`. */
function covers(pattern: string, locality: string): boolean {
  const parts = locality.split("/");
  return pattern.split("/").every((p, i) => p === "*" || p === parts[i]);
}

function distributed(members: readonly Member[], to: Readonly<Record<string, number>>): readonly Placement[] {
  const groups = [...Map.groupBy(members, (m) => m.workload.locality)].sort(([a], [b]) => (a < b ? -1 : 1));
  // The most exact pattern takes a place: more segments, then fewer stars.
  const exactness = (p: string): number => p.split("/").filter((s) => s !== "*").length;
  const patterns = Object.keys(to).sort((a, b) => exactness(b) - exactness(a) || (a < b ? -1 : 1));
  const taken = new Map<string, (readonly [string, readonly Member[]])[]>();
  for (const group of groups) {
    const pattern = patterns.find((p) => covers(p, group[0]));
    if (pattern !== undefined) taken.set(pattern, [...(taken.get(pattern) ?? []), group]);
  }
  return [...taken].flatMap(([pattern, inside]) => {
    const total = inside.reduce((sum, [, list]) => sum + list.length, 0);
    const share = to[pattern] ?? 0;
    if (share === 0) return [];
    return inside.map(([locality, list]) => ({
      locality,
      priority: 0,
      weight: Math.max(1, Math.round((share * 100 * list.length) / total)),
      members: list,
    }));
  });
}

/** The lowest rank first; ranks become priorities without gaps, as Envoy wants them. */
function ordered(members: readonly Member[], rankOf: (m: Member) => number): readonly Placement[] {
  const ranks = [...new Set(members.map(rankOf))].sort((a, b) => a - b);
  const groups = Map.groupBy(members, (m) => JSON.stringify([ranks.indexOf(rankOf(m)), m.workload.locality]));
  return [...groups]
    .map(([key, list]): Placement => {
      const [priority, locality] = JSON.parse(key) as [number, string];
      return { locality, priority, members: list };
    })
    .sort((a, b) => a.priority - b.priority || (a.locality < b.locality ? -1 : 1));
}

/** 0 the same subzone, 1 zone, 2 region, 3 the region that is named for failover, 4 elsewhere. */
function nearness(from: string, at: string, failover: LocalityBalancing["failover"]): number {
  const [a = "", b = "", c = ""] = from.split("/");
  const [x = "", y = "", z = ""] = at.split("/");
  if (a === x) return b !== y ? 2 : c === z ? 0 : 1;
  return failover.some((f) => f.from === a && f.to === x) ? 3 : 4;
}

/** How many of the labels, from the first on, are not met. */
function labelRank(labels: readonly string[], from: Standpoint, at: Workload): number {
  const mine = { ...from.labels, ...places(from.locality, from.network, from.cluster) };
  const theirs = { ...at.labels, ...places(at.locality, at.network, at.cluster) };
  const met = labels.findIndex((label) => {
    const [key = "", value] = label.split("=");
    const wanted = value ?? mine[key];
    return wanted === undefined || theirs[key] !== wanted;
  });
  return met < 0 ? 0 : labels.length - met;
}

function places(locality: string, net = "", of = ""): Record<string, string> {
  const [r = "", z = "", s = ""] = locality.split("/");
  const found = { [region]: r, [zone]: z, [subzone]: s, [network]: net, [cluster]: of };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== ""));
}
