/** The data plane of one thread: takes the agent's messages, keeps the tables, owns the listeners. */
import { type Clock, logLevels, type Rng } from "../../base/index.ts";
import type {
  AccessLogConfig,
  ClusterConfig,
  EndpointsConfig,
  FromWorker,
  ListenerConfig,
  ResourceChange,
  RouteTableConfig,
  ToWorker,
  UpstreamTls,
  WorkerInit,
} from "../config/index.ts";
import { AccessLogger } from "./access-log.ts";
import { SharedCounts } from "./breaker.ts";
import { Cluster } from "./cluster.ts";
import { DrainJob } from "./drain.ts";
import { DynamicHosts } from "./dynamic-hosts.ts";
import { setFaultSink } from "./faults.ts";
import { HeldClock } from "./held-clock.ts";
import { transportSweepLeast } from "./limits.ts";
import { Listener } from "./listener.ts";
import { Metrics } from "./metrics.ts";
import { type Net, runtimeNet } from "./net.ts";
import { Unbound } from "./original-dst.ts";
import type { Plane } from "./plane.ts";
import { RetryBudget } from "./retry-budget.ts";
import { RouteTable } from "./route-table.ts";
import { Secrets } from "./secrets.ts";
import { Telemetry } from "./telemetry.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { plainTransport, type Transport, tlsTransport } from "./transport.ts";
import { principalOf } from "./verify.ts";

export interface DataPlaneOptions {
  readonly init: WorkerInit;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly post: (message: FromWorker) => void;
  /** Default: the runtime's sockets. */
  readonly net?: Net;
}

export interface DataPlane {
  handle(message: ToWorker): void;
  /** Port that a listener has bound; 0 if there is no such listener. */
  port(listener: string): number;
  /** Ends everything at once. */
  stop(): void;
}

interface ApplyError {
  readonly type: string;
  readonly name: string;
  readonly message: string;
}

/** The SDS name of this proxy's own certificate (Istio's). */
const ownSecret = "default";

/** Clusters, then their endpoints, then routes, then listeners: nothing refers to what is not there yet. */
const order = { cluster: 0, endpoints: 1, route: 2, listener: 3 } as const;

class DataPlaneOfThread implements DataPlane {
  private readonly options: DataPlaneOptions;
  private readonly secrets: Secrets;
  private readonly clusters = new Map<string, Cluster>();
  private readonly endpoints = new Map<string, EndpointsConfig>();
  private readonly routes = new Map<string, RouteTable>();
  private readonly listeners = new Map<string, Listener>();
  private readonly unbound = new Unbound<Listener>();
  /** Listeners that left or changed their address, while their connections finish. */
  private readonly leaving = new Set<Listener>();
  private readonly plain: Transport;
  private readonly transports = new Map<string, Transport>();
  /** Number of transports at which unused ones are looked for. */
  private sweepAt = transportSweepLeast;
  private readonly budgets = new Map<string, RetryBudget>();
  private readonly logs = new Map<string, AccessLogger>();
  private readonly dynamic: DynamicHosts;
  private readonly plane: Plane & { principal: string };
  /** Lines below are not posted: a flood of refused handshakes must not cost a message each. */
  private level: number;

  constructor(options: DataPlaneOptions) {
    this.options = options;
    const { init, rng, net = runtimeNet } = options;
    this.plain = plainTransport(net);
    const clock = new HeldClock(options.clock);
    this.level = logLevels.indexOf(init.logLevel);
    const post = (message: FromWorker): void => this.post(message);
    this.secrets = new Secrets(clock, (error) =>
      post({
        kind: "log",
        level: "error",
        message: "a certificate or trust bundle cannot be used; what was there before serves on",
        fields: { error: error instanceof Error ? error.message : String(error) },
      }),
    );
    const metrics = new Metrics(new Float64Array(init.metrics), post);
    setFaultSink({ post, metrics });
    const table = new Int32Array(init.shared);
    const runtime = {
      clock,
      rng,
      net,
      post,
      metrics,
      wheel: new TimerWheel(clock),
      table,
      counts: new SharedCounts(table, new Int32Array(init.ledger)),
    };
    this.dynamic = new DynamicHosts(clock, net, (host, port) => this.isOwnAddress(host, port));
    this.plane = {
      ...runtime,
      telemetry: new Telemetry(metrics, clock, init.localPeer),
      localPeer: init.localPeer,
      principal: "",
      peerMetadata:
        init.peerMetadata === ""
          ? []
          : ["x-envoy-peer-metadata", init.peerMetadata, "x-envoy-peer-metadata-id", init.peerMetadataId],
      credential: init.proxyCredential,
      cluster: (name) => this.clusters.get(name),
      routeTable: (name) => this.routes.get(name),
      dynamicHost: (cluster, authority, port) => this.dynamic.find(cluster, authority, port),
      originalHost: (cluster, address, port) => this.dynamic.at(cluster, address, port),
      acceptor: (address, port) => this.unbound.find(address, port),
      budget: (config) => this.budget(config),
      accessLogger: (config) => this.accessLogger(config),
    };
  }

  private post(message: FromWorker): void {
    if (message.kind === "log" && logLevels.indexOf(message.level) < this.level) return;
    this.options.post(message);
  }

  port(listener: string): number {
    return this.listeners.get(listener)?.port ?? 0;
  }

  handle(message: ToWorker): void {
    switch (message.kind) {
      case "init":
        return;
      case "log-level":
        this.level = logLevels.indexOf(message.level);
        return;
      case "update":
        this.update(message);
        return;
      case "drain":
        this.drain(message.direction, message.deadlineMs);
        return;
    }
  }

  private update(message: Extract<ToWorker, { kind: "update" }>): void {
    for (const secret of message.secrets) {
      this.secrets.set(secret);
      if (secret.name === ownSecret && secret.certPem) this.plane.principal = principalOf(secret.certPem);
    }
    const errors: ApplyError[] = [];
    const sorted = [...message.resources].sort((a, b) => order[a.type] - order[b.type]);
    // Removals last (make before break).
    for (const change of [
      ...sorted.filter((c) => c.json !== null),
      ...sorted.filter((c) => c.json === null).reverse(),
    ]) {
      try {
        this.apply(change);
      } catch (error) {
        errors.push({
          type: change.type,
          name: change.name,
          message: error instanceof Error ? error.message : String(error),
        });
      }
    }
    this.letTransportsGo();
    this.options.post({ kind: "applied", seq: message.seq, errors });
  }

  private apply(change: ResourceChange): void {
    const { type, name, json } = change;
    switch (type) {
      case "cluster":
        if (json === null) this.removeCluster(name);
        else this.setCluster(JSON.parse(json) as ClusterConfig);
        return;
      case "endpoints":
        if (json === null) this.endpoints.delete(name);
        else this.endpoints.set(name, JSON.parse(json) as EndpointsConfig);
        this.connectEndpoints(name);
        return;
      case "route":
        if (json === null) this.routes.delete(name);
        else this.routes.set(name, new RouteTable(JSON.parse(json) as RouteTableConfig));
        return;
      case "listener":
        if (json === null) this.removeListener(name);
        else this.setListener(JSON.parse(json) as ListenerConfig);
        return;
    }
  }

  // Clusters

  private setCluster(config: ClusterConfig): void {
    const before = this.clusters.get(config.name);
    if (before && before.config.slot === config.slot) before.setConfig(config);
    else {
      before?.retire();
      this.clusters.set(config.name, new Cluster(this.plane, config));
    }
    this.connectEndpoints(config.name);
  }

  private removeCluster(name: string): void {
    this.clusters.get(name)?.retire();
    this.clusters.delete(name);
  }

  private connectEndpoints(name: string): void {
    const cluster = this.clusters.get(name);
    if (cluster?.config.discovery !== "endpoints") return;
    const list = this.endpoints.get(name)?.endpoints ?? [];
    cluster.setEndpoints(list, (index) => this.transport(cluster.config.transports[index] ?? null));
  }

  /** One transport for all endpoints with the same settings. */
  private transport(config: UpstreamTls | null): Transport {
    if (config === null) return this.plain;
    const key = JSON.stringify(config);
    let found = this.transports.get(key);
    if (!found) {
      found = tlsTransport(config, this.secrets);
      this.transports.set(key, found);
    }
    return found;
  }

  /** Transports that no cluster names any more: looked for when their number has doubled. */
  private letTransportsGo(): void {
    if (this.transports.size < this.sweepAt) return;
    const used = new Set<string>();
    for (const { config } of this.clusters.values())
      for (const transport of config.transports) if (transport) used.add(JSON.stringify(transport));
    for (const [key, transport] of this.transports) {
      if (used.has(key)) continue;
      transport.stop();
      this.transports.delete(key);
    }
    this.sweepAt = Math.max(transportSweepLeast, 2 * this.transports.size);
  }

  private budget(config: ConstructorParameters<typeof RetryBudget>[1]): RetryBudget {
    const key = JSON.stringify(config);
    let found = this.budgets.get(key);
    if (!found) {
      found = new RetryBudget(this.plane.table, config);
      this.budgets.set(key, found);
    }
    return found;
  }

  private accessLogger(config: AccessLogConfig): AccessLogger {
    const key = JSON.stringify(config);
    let found = this.logs.get(key);
    if (!found) {
      found = new AccessLogger(config, this.options.clock, this.options.post);
      this.logs.set(key, found);
    }
    return found;
  }

  // Listeners

  private isOwnAddress(host: string, port: number): boolean {
    for (const { config, port: bound } of this.listeners.values()) {
      if (
        bound === port &&
        config.binds !== false &&
        (config.address === host || (config.address === "0.0.0.0" && host.startsWith("127.")))
      ) {
        return true;
      }
    }
    return false;
  }

  private setListener(config: ListenerConfig): void {
    const before = this.listeners.get(config.name);
    if (before && samePlace(before.config, config)) {
      before.update(config);
      return;
    }
    const next = new Listener(this.plane, this.secrets, config);
    next.open();
    this.listeners.set(config.name, next);
    if (config.binds === false) this.unbound.set(next);
    if (before) this.leave(before);
  }

  private removeListener(name: string): void {
    const listener = this.listeners.get(name);
    if (!listener) return;
    this.listeners.delete(name);
    this.leave(listener);
  }

  private leave(listener: Listener): void {
    this.unbound.delete(listener);
    listener.drain();
    if (listener.connections.size === 0) return;
    this.leaving.add(listener);
    listener.onEmpty = () => this.leaving.delete(listener);
  }

  private drain(direction: "inbound" | "outbound" | "all", deadlineMs: number): void {
    const chosen = [...this.listeners.values()].filter(
      (l) => direction === "all" || l.config.direction === direction,
    );
    new DrainJob(chosen, { clock: this.options.clock, deadlineMs }, (forced) => {
      for (const log of this.logs.values()) log.flush();
      this.options.post({ kind: "drained", direction, forced });
    });
  }

  stop(): void {
    for (const listener of [...this.listeners.values(), ...this.leaving]) {
      listener.stopAccepting();
      listener.kill();
    }
    for (const cluster of this.clusters.values()) cluster.retire();
    this.dynamic.clear();
    for (const log of this.logs.values()) log.flush();
  }
}

function samePlace(a: ListenerConfig, b: ListenerConfig): boolean {
  return a.address === b.address && a.port === b.port && a.binds === b.binds;
}

/** The whole data path of a thread; worker.ts feeds it messages, tests do so directly. */
export function createDataPlane(options: DataPlaneOptions): DataPlane {
  return new DataPlaneOfThread(options);
}
