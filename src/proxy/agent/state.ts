/**
 * What the proxy runs: the last good version of each resource, and the changes that bring the data threads from
 * what they have to what they should have.
 */
import type {
  CompiledCluster,
  CompiledEndpoints,
  CompiledListener,
  CompiledRoute,
} from "../compile/index.ts";
import { resolveEndpoints } from "../compile/resolve/index.ts";
import type { EndpointsConfig, ResourceChange, RouteTableConfig } from "../config/index.ts";
import { returnEndpoint } from "../data/outlier/index.ts";
import type { SlotTable } from "./slots.ts";

export type ResourceType = ResourceChange["type"];

/** Clusters before the routes that name them, routes before listeners; what leaves goes the other way round. */
const order: readonly ResourceType[] = ["cluster", "endpoints", "route", "listener"];

const keyOf = (type: ResourceType, name: string): string => `${type}\0${name}`;

/** Something that a resource needs and the process has not. */
export class TableFullError extends Error {
  override name = "TableFullError";
}

export class ResourceState {
  /** Listeners in effect; those that wait are the warming part's. */
  readonly listeners = new Map<string, CompiledListener>();
  readonly routes = new Map<string, CompiledRoute>();
  readonly clusters = new Map<string, CompiledCluster>();
  /** By assignment name. */
  readonly assignments = new Map<string, CompiledEndpoints>();
  private readonly slots: SlotTable;
  private readonly resolved = new Map<string, EndpointsConfig>();
  /** JSON in effect at the threads. */
  private readonly sent = new Map<string, string>();
  private readonly dirty = new Map<string, readonly [ResourceType, string]>();
  /** Endpoint addresses that hold slots, by cluster. */
  private readonly addresses = new Map<string, ReadonlySet<string>>();

  constructor(slots: SlotTable) {
    this.slots = slots;
  }

  setListener(name: string, listener: CompiledListener | undefined): void {
    const before = this.listeners.get(name);
    if (listener) this.listeners.set(name, listener);
    else this.listeners.delete(name);
    for (const l of [before, listener]) for (const t of l?.inlineRoutes ?? []) this.touch("route", t.name);
    this.touch("listener", name);
  }

  setRoute(name: string, route: CompiledRoute | undefined): void {
    if (route) this.routes.set(name, route);
    else this.routes.delete(name);
    this.touch("route", name);
  }

  setCluster(name: string, cluster: CompiledCluster | undefined): void {
    if (cluster) this.clusters.set(name, cluster);
    else this.clusters.delete(name);
    this.touch("cluster", name);
    this.touch("endpoints", name);
  }

  setAssignment(name: string, assignment: CompiledEndpoints | undefined): void {
    if (assignment) this.assignments.set(name, assignment);
    else this.assignments.delete(name);
    for (const c of this.clusters.values()) if (c.edsName === name) this.touch("endpoints", c.name);
  }

  /** Route table in effect or inline. */
  routeTable(name: string): RouteTableConfig | undefined {
    const own = this.routes.get(name)?.config;
    if (own || !name.startsWith("inline:")) return own;
    for (const l of this.listeners.values()) {
      const inline = l.inlineRoutes.find((t) => t.name === name);
      if (inline) return inline;
    }
    return undefined;
  }

  /** All tables, inline ones included. */
  routeTables(): readonly RouteTableConfig[] {
    const inline = [...this.listeners.values()].flatMap((l) => l.inlineRoutes);
    return [...[...this.routes.values()].map((r) => r.config), ...inline];
  }

  /** The endpoints of a cluster; undefined while they are not known. */
  endpointsOf(name: string): EndpointsConfig | undefined {
    const have = this.resolved.get(name);
    if (have) return have;
    const cluster = this.clusters.get(name);
    if (!cluster) return undefined;
    const assignment =
      cluster.edsName === undefined ? cluster.assignment : this.assignments.get(cluster.edsName);
    if (!assignment) return undefined;
    const found = resolveEndpoints(cluster, assignment, (address) =>
      this.take("endpoint", `${name}\0${address}`),
    );
    this.resolved.set(name, found);
    return found;
  }

  /** Clusters that route tables and TCP listeners in effect name. */
  clustersInUse(): ReadonlySet<string> {
    const used = new Set<string>();
    for (const table of this.routeTables())
      for (const { action } of table.virtualHosts.flatMap((v) => v.routes))
        if (action.kind === "route") for (const c of action.clusters) used.add(c.cluster);
    for (const { config } of this.listeners.values())
      for (const { filter } of [...config.filterChains, config.defaultFilterChain].filter(
        (c) => c !== undefined,
      ))
        if (filter.kind === "tcp") for (const c of filter.clusters) used.add(c.cluster);
    return used;
  }

  /** Slot of a cluster's block; undefined where it has none. */
  clusterSlot(name: string): number | undefined {
    return this.slots.at("cluster", name);
  }

  /** What changed since the last call, in make-before-break order. Throws TableFullError before anything is taken over. */
  changes(): ResourceChange[] {
    const found: ResourceChange[] = [];
    for (const [type, name] of this.dirty.values()) {
      const json = this.json(type, name);
      if (json !== (this.sent.get(keyOf(type, name)) ?? null)) found.push({ type, name, json });
    }
    this.dirty.clear();
    for (const { type, name, json } of found) {
      if (json === null) this.sent.delete(keyOf(type, name));
      else this.sent.set(keyOf(type, name), json);
    }
    const rank = (c: ResourceChange): number => {
      const at = order.indexOf(c.type);
      return c.json === null ? 2 * order.length - at : at;
    };
    return found.sort((a, b) => rank(a) - rank(b));
  }

  /** Everything in effect, for a thread that starts. */
  full(): ResourceChange[] {
    const all = [...this.sent].map(([key, json]) => {
      const at = key.indexOf("\0");
      return { type: key.slice(0, at) as ResourceType, name: key.slice(at + 1), json };
    });
    return all.sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
  }

  /** After the threads took a change over: blocks of what left are given up. */
  release(changes: readonly ResourceChange[]): void {
    for (const { type, name } of changes) {
      if (type === "endpoints") this.releaseEndpoints(name);
      else if (type === "cluster" && !this.clusters.has(name) && this.slots.at("cluster", name) !== undefined)
        this.slots.free("cluster", name);
    }
  }

  private releaseEndpoints(cluster: string): void {
    const now = new Set(this.endpointsOf(cluster)?.endpoints.map((e) => e.address) ?? []);
    const clusterSlot = this.slots.at("cluster", cluster);
    for (const address of this.addresses.get(cluster) ?? []) {
      const owner = `${cluster}\0${address}`;
      const slot = this.slots.at("endpoint", owner);
      if (now.has(address) || slot === undefined) continue;
      if (clusterSlot !== undefined) returnEndpoint(this.slots.words, clusterSlot, slot);
      this.slots.free("endpoint", owner);
    }
    if (now.size > 0) this.addresses.set(cluster, now);
    else this.addresses.delete(cluster);
  }

  private touch(type: ResourceType, name: string): void {
    if (type === "endpoints") this.resolved.delete(name);
    this.dirty.set(keyOf(type, name), [type, name]);
  }

  private take(kind: "cluster" | "endpoint", owner: string): number {
    const slot = this.slots.take(kind, owner);
    if (slot === undefined) throw new TableFullError("the table of clusters and endpoints is full");
    return slot;
  }

  private json(type: ResourceType, name: string): string | null {
    switch (type) {
      case "listener": {
        const listener = this.listeners.get(name);
        return listener ? JSON.stringify(listener.config) : null;
      }
      case "route": {
        const table = this.routeTable(name);
        return table ? JSON.stringify(table) : null;
      }
      case "cluster": {
        const cluster = this.clusters.get(name);
        return cluster ? JSON.stringify({ ...cluster.config, slot: this.take("cluster", name) }) : null;
      }
      case "endpoints": {
        const endpoints = this.endpointsOf(name);
        return endpoints ? JSON.stringify(endpoints) : null;
      }
    }
  }
}
