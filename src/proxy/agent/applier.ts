/**
 * Applies updates one after another: good resources act on all threads, a bad one is named and the version before
 * it goes on, wherever it failed (compiling, a secret's file, an address that is taken, a thread that cannot bind).
 */
import type { Clock, Logger } from "../../base/index.ts";
import type { CompiledListener, CompiledResource, SecretSource } from "../compile/index.ts";
import type { ResourceChange, SecretChange } from "../config/index.ts";
import { AddressLocks } from "./address-locks.ts";
import { readSecret } from "./secrets.ts";
import { type ResourceState, type ResourceType, TableFullError } from "./state.ts";
import type { UpdateError } from "./threads.ts";
import type {
  AgentEvent,
  CompiledUpdate,
  LockAddress,
  RefusalRecord,
  ResourceError,
  ResourceUpdate,
  SourceRecord,
} from "./types.ts";
import type { Warming } from "./warming.ts";

export interface ApplierOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly state: ResourceState;
  readonly warming: Warming;
  readonly push: (
    resources: readonly ResourceChange[],
    secrets: readonly SecretChange[],
  ) => Promise<readonly UpdateError[]>;
  readonly onPushed: (changes: readonly ResourceChange[]) => void;
  readonly emit: (event: AgentEvent) => void;
  readonly lockAddress: LockAddress;
}

/** A resource that is taken over, and how to take it back. */
interface Step {
  readonly type: ResourceType;
  readonly name: string;
  readonly undo: () => void;
}

const typeUrls: Readonly<Record<ResourceType, string>> = {
  listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
  route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
  cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
  endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
};

const secretUrl = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

const typeOf = (typeUrl: string): ResourceType | undefined =>
  (Object.keys(typeUrls) as ResourceType[]).find((t) => typeUrls[t] === typeUrl);

const text = (e: unknown): string => (e instanceof Error ? e.message : String(e));

export class Applier {
  /** Listeners have arrived at least once, if only to say that there are none. */
  initialised = false;
  private readonly options: ApplierOptions;
  private readonly locks: AddressLocks;
  private readonly secretTable = new Map<string, SecretChange>();
  private readonly records = new Map<string, SourceRecord>();
  private readonly refused = new Map<string, RefusalRecord>();
  private steps: Step[] = [];
  private freshSecrets: SecretChange[] = [];
  private tail: Promise<unknown> = Promise.resolve();
  private flushing = false;
  private stopped = false;

  constructor(options: ApplierOptions) {
    this.options = options;
    this.locks = new AddressLocks(options.lockAddress);
  }

  secrets(): readonly SecretChange[] {
    return [...this.secretTable.values()];
  }

  hasSecret(name: string): boolean {
    return this.secretTable.has(name);
  }

  sources(): readonly SourceRecord[] {
    return [...this.records.values()];
  }

  refusals(): readonly RefusalRecord[] {
    return [...this.refused.values()];
  }

  apply(update: ResourceUpdate): Promise<{ errors: ResourceError[] }> {
    if (update.typeUrl === secretUrl) return this.applySecrets(update);
    return this.serial(async () => {
      const type = typeOf(update.typeUrl);
      if (!type)
        return {
          errors: update.added.map((a) => ({ name: a.name, message: `${update.typeUrl} is not run here` })),
        };
      // Loaded when the first update arrives: a proxy that runs from a file never needs protobuf.
      const { compileAny, describeProblems } = await import("../compile/index.ts");
      const errors: ResourceError[] = [];
      for (const { name, version, any } of update.added) {
        const outcome = compileAny(any);
        for (const w of outcome.warnings)
          this.options.log.warn(`${w.path}: ${w.message}`, { resource: name });
        const { resource } = outcome;
        if (!resource) errors.push({ name, message: describeProblems(outcome.errors) });
        else if (resource.name !== name)
          errors.push({ name, message: `is named ${JSON.stringify(resource.name)} inside` });
        else await this.take(resource, { version, any }, errors);
      }
      for (const name of update.removed) this.remove(type, name);
      if (type === "listener") this.initialised = true;
      await this.flush(errors);
      for (const e of errors) this.refuse(update, e);
      return { errors };
    });
  }

  /** A secret that is taken away stays with those who use it, as in Envoy. */
  private applySecrets(update: ResourceUpdate): Promise<{ errors: ResourceError[] }> {
    return this.serial(async () => {
      const { secretOfAny } = await import("../compile/index.ts");
      const errors: ResourceError[] = [];
      for (const { name, any } of update.added) {
        const source = secretOfAny(any);
        if (typeof source === "string") errors.push({ name, message: source });
        else if (await this.load(source, name, errors)) this.refused.delete(`${secretUrl}\0${name}`);
      }
      await this.flush(errors);
      for (const e of errors) this.refuse(update, e);
      return { errors };
    });
  }

  applyCompiled(update: CompiledUpdate): Promise<{ errors: ResourceError[] }> {
    return this.serial(async () => {
      const errors: ResourceError[] = [];
      for (const source of update.secrets ?? []) await this.load(source, source.name, errors);
      for (const { resource, json } of update.resources)
        await this.take(resource, { version: "", ...(json !== undefined ? { json } : {}) }, errors);
      this.initialised ||= update.complete ?? true;
      await this.flush(errors);
      return { errors };
    });
  }

  setSecret(secret: SecretChange): Promise<void> {
    return this.serial(async () => {
      this.secretTable.set(secret.name, secret);
      this.freshSecrets.push(secret);
      await this.flush([]);
    });
  }

  /** Called by the warming part, during a flush or when a listener's time is over. */
  activate(listener: CompiledListener, lacking: readonly string[]): void {
    const { state, log, emit } = this.options;
    const before = state.listeners.get(listener.name);
    this.steps.push({
      type: "listener",
      name: listener.name,
      undo: () => state.setListener(listener.name, before),
    });
    state.setListener(listener.name, listener);
    if (lacking.length > 0)
      log.warn("a listener serves without what it waited for", { listener: listener.name, lacking });
    emit({ kind: "listener-active", name: listener.name, lacking });
    // Its time was over between two updates.
    if (!this.flushing) void this.serial(() => this.flush([]));
  }

  stop(): void {
    this.stopped = true;
    this.locks.releaseAll();
  }

  private serial<T>(work: () => Promise<T>): Promise<T> {
    const run = this.tail.then(async () => {
      this.flushing = true;
      try {
        return await work();
      } finally {
        this.flushing = false;
      }
    });
    this.tail = run.catch(() => undefined);
    return run;
  }

  private async load(source: SecretSource, owner: string, errors: ResourceError[]): Promise<boolean> {
    try {
      const secret = await readSecret(source);
      this.secretTable.set(secret.name, secret);
      this.freshSecrets.push(secret);
      return true;
    } catch (e) {
      errors.push({ name: owner, message: text(e) });
      return false;
    }
  }

  private async take(
    resource: CompiledResource,
    from: Pick<SourceRecord, "version" | "any" | "json">,
    errors: ResourceError[],
  ): Promise<void> {
    const secrets = "secrets" in resource ? resource.secrets : [];
    for (const s of secrets) if (!(await this.load(s, resource.name, errors))) return;
    const { state, warming, clock } = this.options;
    const { type, name } = resource;
    const key = `${type}\0${name}`;
    const record = this.records.get(key);
    this.records.set(key, { type, name, at: clock.wall(), ...from });
    const recordBack = (): void => {
      if (record) this.records.set(key, record);
      else this.records.delete(key);
    };
    this.refused.delete(`${typeUrls[type]}\0${name}`);
    if (type === "listener") {
      this.steps.push({ type, name, undo: recordBack });
      warming.add(resource);
      return;
    }
    const step = (undo: () => void): void => {
      this.steps.push({
        type,
        name,
        undo: () => {
          recordBack();
          undo();
        },
      });
    };
    if (type === "route") {
      const before = state.routes.get(name);
      step(() => state.setRoute(name, before));
      state.setRoute(name, resource);
    } else if (type === "cluster") {
      const before = state.clusters.get(name);
      step(() => state.setCluster(name, before));
      state.setCluster(name, resource);
    } else {
      const before = state.assignments.get(name);
      step(() => state.setAssignment(name, before));
      state.setAssignment(name, resource);
    }
  }

  private remove(type: ResourceType, name: string): void {
    const { state, warming } = this.options;
    this.records.delete(`${type}\0${name}`);
    this.refused.delete(`${typeUrls[type]}\0${name}`);
    if (type === "listener") {
      warming.remove(name);
      state.setListener(name, undefined);
    } else if (type === "route") state.setRoute(name, undefined);
    else if (type === "cluster") state.setCluster(name, undefined);
    else state.setAssignment(name, undefined);
  }

  /** Brings the threads up to the state; what fails there is undone and added to `errors`. */
  private async flush(errors: ResourceError[]): Promise<void> {
    if (this.stopped) return;
    this.options.warming.check();
    const failures = await this.pushChanges();
    const undone = this.undo(failures, errors);
    this.steps = [];
    if (!undone) return;
    // What was taken back was in effect before, so this cannot fail anew.
    for (const f of await this.pushChanges()) this.options.log.error(`${f.type} ${f.name}: ${f.message}`);
    this.steps = [];
  }

  private async pushChanges(): Promise<readonly UpdateError[]> {
    const { state, push, onPushed } = this.options;
    let changes: ResourceChange[];
    try {
      changes = state.changes();
    } catch (e) {
      if (!(e instanceof TableFullError)) throw e;
      const touched = this.steps.filter((s) => s.type === "cluster" || s.type === "endpoints");
      return touched.map(({ type, name }) => ({ type, name, message: text(e) }));
    }
    const secrets = this.freshSecrets;
    this.freshSecrets = [];
    if (changes.length === 0 && secrets.length === 0) return [];
    const taken = await this.locks.acquire(state.listeners.values());
    const held = new Set(taken.map((t) => t.name));
    const sendable = changes.filter((c) => c.type !== "listener" || !held.has(c.name));
    const failed = sendable.length + secrets.length > 0 ? await push(sendable, secrets) : [];
    this.locks.keepOnly(state.listeners.values());
    onPushed(changes);
    return [...taken, ...failed];
  }

  /** True if something was taken back. */
  private undo(failures: readonly UpdateError[], errors: ResourceError[]): boolean {
    const { state, emit, log } = this.options;
    let undone = false;
    for (const { type, name, message } of failures) {
      const assignment = type === "endpoints" ? state.clusters.get(name)?.edsName : undefined;
      const matches = (s: Step): boolean =>
        (s.type === type && s.name === name) ||
        (type === "endpoints" && ((s.type === "cluster" && s.name === name) || s.name === assignment));
      const steps = this.steps.filter(matches).reverse();
      for (const s of steps) s.undo();
      undone ||= steps.length > 0;
      const known = steps[0]?.name ?? name;
      if (!errors.some((e) => e.name === known)) errors.push({ name: known, message });
      log.error(`${type} ${name}: ${message}`);
      emit({ kind: "failed", type, name, message });
    }
    return undone;
  }

  private refuse(update: ResourceUpdate, error: ResourceError): void {
    const version = update.added.find((a) => a.name === error.name)?.version ?? "";
    const key = `${update.typeUrl}\0${error.name}`;
    this.refused.set(key, { typeUrl: update.typeUrl, ...error, version, at: this.options.clock.wall() });
  }
}
