/** Priorities and panic, as Envoy computes them (overprovisioning factor 1.4). */
import type { Rng } from "../../../base/index.ts";

const overprovisioning = 1.4;

export interface Tier<T> {
  /** Hosts that get requests: the healthy ones, or all in panic. */
  readonly hosts: readonly T[];
  /** Share of the requests in percent; the shares of all tiers sum to 100, or to 0 where there are no hosts. */
  readonly load: number;
}

/** Groups hosts by priority and says how much each group gets. */
export function tiers<T extends { readonly priority: number }>(
  all: readonly T[],
  usable: (host: T) => boolean,
  panicThreshold: number,
): Tier<T>[] {
  const groups = new Map<number, T[]>();
  for (const host of all) {
    const group = groups.get(host.priority);
    if (group) group.push(host);
    else groups.set(host.priority, [host]);
  }
  const sorted = [...groups.entries()].sort((a, b) => a[0] - b[0]).map(([, hosts]) => hosts);
  const healthy = sorted.map((hosts) => hosts.filter(usable));
  const availability = sorted.map((hosts, i) =>
    Math.min(100, (overprovisioning * 100 * healthy[i]!.length) / hosts.length),
  );
  const total = Math.min(
    100,
    availability.reduce((sum, a) => sum + a, 0),
  );
  let left = 100;
  return sorted.map((hosts, i) => {
    const panic = (100 * healthy[i]!.length) / hosts.length < panicThreshold && total < 100;
    const share = total === 0 ? (i === 0 ? 100 : 0) : Math.min(left, (availability[i]! * 100) / total);
    left -= share;
    return { hosts: panic ? hosts : healthy[i]!, load: share };
  });
}

/** A tier by load; null where no tier has a host. */
export function chooseTier<T>(list: readonly Tier<T>[], rng: Rng): Tier<T> | null {
  if (list.length === 1) return list[0]!.hosts.length > 0 ? list[0]! : null;
  let at = rng.float() * 100;
  for (const tier of list) {
    at -= tier.load;
    if (at < 0 && tier.hosts.length > 0) return tier;
  }
  return list.find((tier) => tier.hosts.length > 0) ?? null;
}
