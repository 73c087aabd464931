/** The proxy's main thread: takes configuration, keeps the last good one, and has the data threads run it. */
import { availableParallelism } from "node:os";
import { type LogLevel, logLevels, setLogLevel } from "../../base/index.ts";
import { lockAddress } from "../../wire/socket/index.ts";
import { AccessLogWriter } from "../access-log/index.ts";
import type { CompiledListener, Waits } from "../compile/index.ts";
import {
  type DownstreamTls,
  type FromWorker,
  metricRowWords,
  type ResourceChange,
  type SecretChange,
  sharedWords,
  type UpstreamTls,
  type WorkerInit,
} from "../config/index.ts";
import { MetricStore } from "../telemetry/index.ts";
import { Applier } from "./applier.ts";
import { defaultConcurrency, drainGraceMs, warmingMs } from "./limits.ts";
import { OutlierSweeps } from "./outliers.ts";
import { peerMetadata } from "./peer-metadata.ts";
import { clusterStatuses, metricsPage } from "./report.ts";
import { secretProblem } from "./secrets.ts";
import { SlotTable } from "./slots.ts";
import { ResourceState } from "./state.ts";
import { ThreadGroup } from "./threads.ts";
import type {
  Agent,
  AgentEvent,
  AgentOptions,
  AgentTables,
  CompiledUpdate,
  ResourceUpdate,
} from "./types.ts";
import { type Need, Warming } from "./warming.ts";

/** Starts the data threads at once; `started` resolves when they run. */
export function createAgent(options: AgentOptions): Agent {
  return new ProxyAgent(options);
}

/** Logger of what the data threads say. */
const dataScope = "data";

function secretNames(tls: DownstreamTls | UpstreamTls | null): string[] {
  return [tls?.certSecret, tls?.validation?.caSecret].filter((name) => name !== undefined);
}

class ProxyAgent implements Agent {
  readonly started: Promise<void>;
  readonly node: AgentOptions["node"];
  private readonly options: AgentOptions;
  private readonly shared = new SharedArrayBuffer(sharedWords * Int32Array.BYTES_PER_ELEMENT);
  private readonly words = new Int32Array(this.shared);
  private readonly state = new ResourceState(new SlotTable(this.words));
  private readonly metrics = new MetricStore();
  /** What each thread holds of the shared counts. */
  private readonly ledgers = new Map<number, Int32Array>();
  private readonly threads: ThreadGroup;
  private readonly warmingPart: Warming;
  private readonly sweeps: OutlierSweeps;
  private readonly applier: Applier;
  private readonly logs: AccessLogWriter;
  private readonly listeners = new Set<(event: AgentEvent) => void>();
  private readonly drains = new Set<(direction: string, forced: number) => void>();
  private draining = false;

  constructor(options: AgentOptions) {
    this.options = options;
    this.node = options.node;
    const { clock, rng, log } = options;
    this.logs = new AccessLogWriter({ log: log.child("access-log"), ...options.accessLog });
    this.threads = new ThreadGroup({
      count: Math.max(1, Math.min(options.concurrency ?? defaultConcurrency, availableParallelism())),
      create: options.createWorker,
      clock,
      rng,
      log: log.child("threads"),
      init: (index) => this.threadInit(index),
      state: () => ({ resources: this.state.full(), secrets: this.applier.secrets() }),
      onMessage: (index, message) => this.receive(index, message),
      onDeath: (index, reason) => this.buried(index, reason),
    });
    this.warmingPart = new Warming({
      clock,
      missing: (l) => this.missing(l),
      activate: (l, lacking) => this.applier.activate(l, lacking),
    });
    this.sweeps = new OutlierSweeps({
      clock,
      words: this.words,
      state: this.state,
      onReturn: (cluster, endpoint) => {
        log.info("an endpoint returned from ejection", { cluster, endpoint });
        this.emit({ kind: "returned", cluster, endpoint });
      },
    });
    this.applier = new Applier({
      clock,
      log,
      state: this.state,
      warming: this.warmingPart,
      push: (resources, secrets) => this.threads.update(resources, secrets),
      onPushed: (changes) => this.pushed(changes),
      emit: (event) => this.emit(event),
      lockAddress:
        options.lockAddress ??
        ((host, port) =>
          lockAddress({ host, port, owner: options.owner ?? `weft ${options.node.id}`, clock })),
    });
    this.started = this.threads.start();
    // It is for the caller to hear of; nobody listening is no crash.
    this.started.catch(() => {});
  }

  apply(update: ResourceUpdate): ReturnType<Agent["apply"]> {
    return this.applier.apply(update);
  }

  applyCompiled(update: CompiledUpdate): ReturnType<Agent["applyCompiled"]> {
    return this.applier.applyCompiled(update);
  }

  clustersInUse = (): ReadonlySet<string> => this.state.clustersInUse();

  async setSecret(secret: SecretChange): Promise<void> {
    const wrong = secretProblem(secret);
    if (wrong !== undefined) throw new Error(`secret ${secret.name}: ${wrong}`);
    await this.applier.setSecret(secret);
  }

  secrets(): readonly SecretChange[] {
    return this.applier.secrets();
  }

  prometheus(): string {
    return metricsPage({
      samples: this.metrics.collect(),
      clusters: this.clusters(),
      restarts: this.threads.restarts,
      lostSeries: this.metrics.lost,
      ready: this.ready(),
      droppedLogBytes: this.logs.dropped,
      refusals: this.applier.refusals().length,
    });
  }

  ready(): boolean {
    return this.unready().length === 0;
  }

  unready(): readonly string[] {
    const why: string[] = [];
    if (!this.threads.allUp) why.push(...this.threads.troubles());
    if (!this.applier.initialised) why.push("no listeners have arrived");
    for (const { name, lacking } of this.warming())
      why.push(`listener ${name} waits for ${lacking.join(", ")}`);
    if (this.draining) why.push("draining");
    return why;
  }

  tables(): AgentTables {
    const { state } = this;
    const names = [...state.clusters.keys()];
    return {
      listeners: [...state.listeners.values()].map((l) => l.config),
      routes: new Map(state.routeTables().map((t) => [t.name, t])),
      clusters: new Map(
        names.map((n) => [n, { ...state.clusters.get(n)!.config, slot: state.clusterSlot(n) ?? -1 }]),
      ),
      endpoints: new Map(
        names.flatMap((n) => {
          const endpoints = state.endpointsOf(n);
          return endpoints ? [[n, endpoints] as const] : [];
        }),
      ),
    };
  }

  clusters(): ReturnType<Agent["clusters"]> {
    return clusterStatuses(this.tables(), this.words);
  }

  sources(): ReturnType<Agent["sources"]> {
    return this.applier.sources();
  }

  refusals(): ReturnType<Agent["refusals"]> {
    return this.applier.refusals();
  }

  warming(): ReturnType<Agent["warming"]> {
    return this.warmingPart.list().map(({ listener, lacking }) => ({ name: listener.name, lacking }));
  }

  drain(direction: "inbound" | "outbound" | "all", deadlineMs: number): Promise<{ forced: number }> {
    this.draining = true;
    const wanted = this.threads.running;
    return new Promise((resolve) => {
      let answered = 0;
      let forced = 0;
      const finish = (): void => {
        timer.cancel();
        this.drains.delete(onDrained);
        resolve({ forced });
      };
      const onDrained = (which: string, count: number): void => {
        if (which !== direction) return;
        forced += count;
        if (++answered >= wanted) finish();
      };
      const timer = this.options.clock.after(deadlineMs + drainGraceMs, finish);
      this.drains.add(onDrained);
      this.threads.broadcast({ kind: "drain", direction, deadlineMs });
      if (wanted === 0) finish();
    });
  }

  setLogLevel(scope: string, level: string): void {
    if (!(logLevels as readonly string[]).includes(level)) throw new Error(`${level} is not a log level`);
    setLogLevel(level as LogLevel, scope);
    this.threads.broadcast({ kind: "log-level", level: this.dataLogLevel() });
  }

  reopenLogs(): void {
    this.logs.reopen();
  }

  on(listener: (event: AgentEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get restarts(): number {
    return this.threads.restarts;
  }

  async stop(): Promise<void> {
    this.sweeps.stop();
    this.warmingPart.stop();
    this.threads.stop();
    this.applier.stop();
    await this.logs.close();
  }

  /** The lowest level that the data threads' lines are written at. */
  private dataLogLevel(): LogLevel {
    const log = this.options.log.child(dataScope);
    return logLevels.find((level) => log.enabled(level)) ?? "off";
  }

  private threadInit(index: number): WorkerInit {
    const metrics = new SharedArrayBuffer(metricRowWords * Float64Array.BYTES_PER_ELEMENT);
    this.metrics.addRow(index, new Float64Array(metrics));
    const ledger = new SharedArrayBuffer(this.shared.byteLength);
    this.ledgers.set(index, new Int32Array(ledger));
    const { node, proxyCredential, rng } = this.options;
    return {
      kind: "init",
      index,
      shared: this.shared,
      ledger,
      metrics,
      peerMetadata: peerMetadata(node.peer),
      peerMetadataId: node.id,
      localPeer: node.peer,
      proxyCredential: proxyCredential ?? null,
      seed: rng.int(0x7fff_ffff),
      logLevel: this.dataLogLevel(),
    };
  }

  private receive(index: number, message: FromWorker): void {
    const { log } = this.options;
    switch (message.kind) {
      case "series":
        if (!this.metrics.addSeries(index, message.slot, message.name, message.labels))
          log.warn("a metric series makes no sense", { name: message.name });
        break;
      case "access-log":
        this.logs.write(message.path, message.lines);
        break;
      case "event":
        log.warn("an endpoint was ejected", {
          cluster: message.cluster,
          endpoint: message.endpoint,
          reason: message.reason,
        });
        this.emit({
          kind: "ejected",
          cluster: message.cluster,
          endpoint: message.endpoint,
          reason: message.reason,
        });
        break;
      case "drained":
        for (const done of this.drains) done(message.direction, message.forced);
        break;
      case "log":
        log.child(dataScope, { thread: index })[message.level](message.message, message.fields);
        break;
      default:
    }
  }

  /** Takes back from the shared counts what the thread held when it died. */
  private buried(index: number, reason: string): void {
    this.metrics.retire(index);
    const ledger = this.ledgers.get(index);
    this.ledgers.delete(index);
    ledger?.forEach((held, word) => {
      if (held !== 0) Atomics.sub(this.words, word, held);
    });
    this.emit({ kind: "thread-died", thread: index, reason });
  }

  private pushed(changes: readonly ResourceChange[]): void {
    this.state.release(changes);
    for (const { type, name } of changes) if (type === "cluster") this.sweeps.update(name);
  }

  private missing(listener: CompiledListener): Need[] {
    const lacking: Need[] = [];
    const lacks = (what: string, { waits }: { readonly waits?: Waits }): void => {
      lacking.push({ what, waitMs: waits?.[what] ?? warmingMs });
    };
    for (const t of listener.routeTables) if (!this.state.routes.has(t)) lacks(`route ${t}`, listener);
    const chains = [...listener.config.filterChains];
    if (listener.config.defaultFilterChain) chains.push(listener.config.defaultFilterChain);
    const names = chains.flatMap(({ tls }) => secretNames(tls ?? null));
    for (const name of new Set(names)) if (!this.applier.hasSecret(name)) lacks(`secret ${name}`, listener);
    // Only the first version waits for endpoints: Envoy starts its listeners after its clusters.
    if (this.state.listeners.has(listener.name)) return lacking;
    for (const c of this.state.clusters.values())
      for (const name of c.config.transports.flatMap(secretNames))
        if (!this.applier.hasSecret(name)) lacks(`secret ${name}`, c);
    for (const c of this.state.clusters.values())
      if (c.edsName !== undefined && !this.state.assignments.has(c.edsName))
        lacks(`endpoints ${c.edsName}`, c);
    return lacking;
  }

  private emit(event: AgentEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
