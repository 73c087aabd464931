/** A cluster in one data thread: its endpoints, their pools, the choice among them, the limits they share. */
import {
  type ClusterConfig,
  clusterWord,
  type EndpointConfig,
  endpointWord,
  type Peer,
} from "../config/index.ts";
import { ClusterMetrics } from "./cluster-metrics.ts";
import { chooseTier, createPicker, type Picker, type Tier, tiers } from "./lb/index.ts";
import { recordLocalFailure, recordStatus } from "./outlier.ts";
import { Pool, type PoolCluster } from "./pool.ts";
import type { Runtime } from "./runtime.ts";
import { SharedWaits } from "./shared-waits.ts";
import type { Transport } from "./transport.ts";

/** An endpoint and this thread's connections to it. */
export class Host {
  readonly cluster: Cluster;
  readonly config: EndpointConfig;
  readonly pool: Pool;
  readonly transport: Transport;
  /** What telemetry keeps for this endpoint. */
  telemetry: unknown = null;

  constructor(cluster: Cluster, config: EndpointConfig, transport: Transport) {
    this.cluster = cluster;
    this.config = config;
    this.transport = transport;
    this.pool = new Pool(cluster, { host: config.host, port: config.port }, transport, config.slot);
  }

  get weight(): number {
    return this.config.weight;
  }

  get priority(): number {
    return this.config.priority;
  }

  get slot(): number {
    return this.config.slot;
  }

  get address(): string {
    return this.config.address;
  }

  get peer(): Peer | undefined {
    return this.config.peer;
  }
}

export class Cluster implements PoolCluster {
  readonly runtime: Runtime;
  readonly name: string;
  readonly metrics: ClusterMetrics;
  config: ClusterConfig;
  hosts: readonly Host[] = [];
  /** Pools of this thread that have pending requests. */
  private readonly blocked = new Set<Pool>();
  private readonly waits: SharedWaits;
  private choices: { readonly list: Tier<Host>[]; readonly pickers: Map<Tier<Host>, Picker<Host>> } | null =
    null;
  private epoch = -1;
  /** Its endpoints spoke before their client did: tunnels to it wait less for the client's first bytes. */
  serverFirst = false;
  /** Connections of this thread. */
  private held = 0;

  constructor(runtime: Runtime, config: ClusterConfig) {
    this.runtime = runtime;
    this.name = config.name;
    this.config = config;
    this.metrics = new ClusterMetrics(runtime.metrics, config.name);
    this.waits = new SharedWaits(runtime.counts, config.slot, {
      onBlocked: () => this.letGo(),
      onFreed: () => this.serveBlocked(),
    });
  }

  get slot(): number {
    return this.config.slot;
  }

  get limits(): ClusterConfig["breaker"] {
    return this.config.breaker;
  }

  get connectTimeoutMs(): number {
    return this.config.connectTimeoutMs;
  }

  get idleTimeoutMs(): number {
    return this.config.idleTimeoutMs;
  }

  get maxConnectionDurationMs(): number {
    return this.config.maxConnectionDurationMs ?? 0;
  }

  get maxRequestsPerConnection(): number {
    return this.config.maxRequestsPerConnection;
  }

  /** Endpoint words for endpoints that have none of their own (dynamic): a private block, nothing balances on it. */
  get dynamicSlot(): number {
    return this.slot + clusterWord.dynamicActive - endpointWord.active;
  }

  /** New settings; endpoints are given again afterwards. */
  setConfig(config: ClusterConfig): void {
    this.config = config;
    this.choices = null;
  }

  // Endpoints

  /**
   * Endpoints of now. One that stays (same address, same transport) keeps its connections; `transportOf` gives the
   * same object for the same transport.
   */
  setEndpoints(list: readonly EndpointConfig[], transportOf: (index: number) => Transport | null): void {
    const before = new Map(this.hosts.map((h) => [h.address, h]));
    const hosts: Host[] = [];
    for (const config of list) {
      const transport = transportOf(config.transport);
      if (transport === null) continue;
      const old = before.get(config.address);
      if (old && old.transport === transport && sameEndpoint(old.config, config)) {
        hosts.push(old);
        before.delete(config.address);
      } else if (old && old.transport === transport && old.config.slot === config.slot) {
        hosts.push(this.successor(old, config));
        before.delete(config.address);
      } else {
        hosts.push(new Host(this, config, transport));
      }
    }
    this.hosts = hosts;
    this.choices = null;
    for (const gone of before.values()) gone.pool.retire();
  }

  /** The same endpoint with another weight, health or peer: it keeps its pool. */
  private successor(old: Host, config: EndpointConfig): Host {
    return Object.assign(Object.create(Host.prototype) as Host, { ...old, config, telemetry: null });
  }

  retire(): void {
    for (const host of this.hosts) host.pool.retire();
  }

  // Choice

  /** An endpoint by priority, health, ejections and policy; null: no healthy upstream. */
  pick(): Host | null {
    const { table, rng } = this.runtime;
    const epoch = Atomics.load(table, this.slot + clusterWord.epoch);
    if (this.choices === null || epoch !== this.epoch) {
      this.epoch = epoch;
      const usable = (h: Host): boolean =>
        h.config.healthy && Atomics.load(table, h.slot + endpointWord.ejected) === 0;
      const list = tiers(this.hosts, usable, this.config.panicThreshold);
      this.choices = { list, pickers: new Map() };
    }
    const { list, pickers } = this.choices;
    const tier = list.length === 0 ? null : chooseTier(list, rng);
    if (tier === null) return null;
    let picker = pickers.get(tier);
    if (!picker) {
      picker = createPicker(this.config, tier.hosts, { rng, table });
      pickers.set(tier, picker);
    }
    return picker.pick();
  }

  /** Result of a try for outlier detection; status 0: no answer. */
  record(host: Host, status: number): void {
    const { outlier, discovery } = this.config;
    // Dynamic endpoints have no words of their own to count in.
    if (!outlier || discovery === "dynamic" || discovery === "original") return;
    const { runtime } = this;
    const { table } = runtime;
    const target = { clusterSlot: this.slot, endpointSlot: host.slot, hosts: this.hosts.length };
    const reason =
      status === 0
        ? recordLocalFailure(table, outlier, target, runtime)
        : recordStatus(table, outlier, target, status, runtime);
    if (reason === null) return;
    this.runtime.post({
      kind: "event",
      event: "ejected",
      cluster: this.name,
      endpoint: host.address,
      reason,
    });
  }

  releaseRetry(): void {
    this.runtime.counts.release(this.slot + clusterWord.retries);
  }

  countRetryOverflow(): void {
    Atomics.add(this.runtime.table, this.slot + clusterWord.retryOverflow, 1);
  }

  // PoolCluster

  acquireConnection(): boolean {
    const word = this.slot + clusterWord.connections;
    if (this.runtime.counts.tryAcquire(word, this.limits.maxConnections) || this.evictIdle(word)) {
      this.held++;
      if (this.held === 1) this.waits.setStarving(false);
      return true;
    }
    return false;
  }

  /** An idle connection to another endpoint makes room. */
  private evictIdle(word: number): boolean {
    for (const host of this.hosts) {
      if (host.pool.idle.length === 0) continue;
      host.pool.closeIdle();
      return this.runtime.counts.tryAcquire(word, this.limits.maxConnections);
    }
    return false;
  }

  connectionGone(): void {
    this.held--;
    if (Atomics.load(this.runtime.table, this.slot + clusterWord.pending) === 0) return;
    // A thread without any connection goes first; it is told, and so is everyone else.
    if (this.held === 0 || !this.waits.othersStarve()) this.serveBlocked();
    this.waits.freed();
  }

  pendingChanged(pool: Pool, pending: boolean): void {
    if (!pending) {
      this.blocked.delete(pool);
      if (this.blocked.size === 0) this.waits.setStarving(false);
      return;
    }
    this.blocked.add(pool);
    if (this.held === 0) this.waits.setStarving(true);
    this.waits.blocked();
    this.waits.awaitFreed();
  }

  mustYield(pool: Pool): boolean {
    const { table } = this.runtime;
    if (pool.waiting > 0) return this.held > 1 && this.waits.othersStarve();
    if (this.blocked.size > 0) return true;
    return (
      Atomics.load(table, this.slot + clusterWord.pending) > 0 &&
      Atomics.load(table, this.slot + clusterWord.connections) >= this.limits.maxConnections
    );
  }

  idleAdded(): void {
    this.waits.awaitBlocked();
  }

  /** Opens connections for this thread's pending requests as far as the limit goes; waits on if some remain. */
  private serveBlocked(): void {
    for (const pool of this.blocked) {
      while (pool.pending > 0 && pool.serveBlocked());
    }
    if (this.blocked.size > 0) this.waits.awaitFreed();
  }

  /** Another thread waits for connections: idle ones of this thread are closed, as many as there are waiters. */
  private letGo(): void {
    const { table } = this.runtime;
    let wanted = Atomics.load(table, this.slot + clusterWord.pending);
    let left = 0;
    for (const host of this.hosts) {
      while (wanted > 0 && host.pool.closeIdle()) wanted--;
      left += host.pool.idle.length;
    }
    if (left > 0) this.waits.awaitBlocked();
  }
}

function sameEndpoint(a: EndpointConfig, b: EndpointConfig): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
