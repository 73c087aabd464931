/**
 * Takes what the feeds bring, one response after the other: applies it, asks for what it names, answers. What runs
 * stays while a feed is away.
 */
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Clock, Logger, Timer } from "../../base/index.ts";
import { shortTypeName, typeUrl as urls } from "../protocol/index.ts";
import { Books, type FeedChange, type Want } from "./books.ts";
import type { Feed, FeedHost, FeedResponse } from "./feed.ts";
import { limits } from "./limits.ts";
import { Lives } from "./lives.ts";
import { type Reference, referencesOf } from "./references.ts";
import { decodeSnapshot, encodeSnapshot, type SnapshotStore } from "./snapshot.ts";
import type {
  Applied,
  ApplyError,
  ConfigResource,
  ConfigSink,
  ConfigUpdate,
  XdsClientState,
  XdsClientStatus,
} from "./types.ts";

/** Which feeds there are, and who is asked for what. */
export interface FeedPlan {
  /** Type -> feed that is asked for all of it. */
  readonly everything: ReadonlyMap<string, string>;
  /** Wanted by name, whatever resources say. */
  readonly fixed?: readonly Want[];
  /** Feed that has what a resource names; undefined: it does not come over xDS. Throws where that cannot be. */
  feedOf(reference: Reference): string | undefined;
  open(feed: string, host: FeedHost): Feed;
}

export interface ClientOptions {
  readonly plan: FeedPlan;
  readonly sink: ConfigSink;
  readonly clock: Clock;
  readonly log: Logger;
  /** Keeps the last good configuration; absent: nothing is kept. */
  readonly snapshot?: SnapshotStore;
  /** After each change of status. */
  readonly onStatus?: (status: XdsClientStatus) => void;
}

export interface XdsClient {
  /** Loads the last good configuration, if any, then connects. Never rejects. */
  start(): Promise<void>;
  /** Ends the streams and writes the last good configuration. */
  stop(): Promise<void>;
  /** Ends pauses after failures: there is reason to believe that the server is back. */
  nudge(): void;
  status(): XdsClientStatus;
}

/** The worst first. */
const severity: readonly XdsClientState[] = ["stopped", "idle", "backoff", "connecting", "connected"];

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What is left of a response for this client. */
interface Reading {
  readonly update: ConfigUpdate;
  readonly errors: ApplyError[];
  readonly references: ReadonlyMap<string, readonly Want[]>;
}

class Client implements XdsClient {
  private readonly options: ClientOptions;
  private readonly books: Books;
  private readonly lives: Lives;
  private readonly feeds = new Map<string, Feed>();
  /** Responses of each feed that wait. */
  private readonly waiting = new Map<string, number>();
  private readonly jobs: (() => Promise<void>)[] = [];
  /** Responses that wait for endpoints; see mustWait. */
  private postponed: (() => Promise<void>)[] = [];
  private resuming = false;
  private patience: Timer | undefined;
  /** Assignments that did not come in time: nothing waits for them again. */
  private readonly givenUp = new Set<string>();
  /** Clusters that the server took away while something still names them. */
  private readonly held = new Set<string>();
  /** `type\0name` of what was refused last. */
  private readonly refused = new Set<string>();
  private phase: "idle" | "running" | "stopped" = "idle";
  private working: Promise<void> | undefined;
  private holding: Timer | undefined;
  private saving: Timer | undefined;
  /** A last good configuration is kept: the first is written at once, the next ones after a pause. */
  private kept = false;
  private acks = 0;
  private nacks = 0;

  constructor(options: ClientOptions) {
    this.options = options;
    this.books = new Books(options.plan.everything, options.plan.fixed);
    this.lives = new Lives(options.clock, (typeUrl, name) => this.enqueue(() => this.drop(typeUrl, [name])));
  }

  async start(): Promise<void> {
    if (this.phase !== "idle") return;
    this.phase = "running";
    await this.load();
    this.openFeeds();
  }

  private get stopped(): boolean {
    return this.phase === "stopped";
  }

  status(): XdsClientStatus {
    const feeds = [...this.feeds.values()].map((f) => f.status);
    const worst = [...feeds].sort((a, b) => severity.indexOf(a.state) - severity.indexOf(b.state))[0];
    return {
      state: this.phase === "running" ? (worst?.state ?? "connecting") : this.phase,
      synced: this.books.synced,
      ...(worst?.connectedAt === undefined ? {} : { connectedAt: worst.connectedAt }),
      ...(worst?.lastError === undefined ? {} : { lastError: worst.lastError }),
      feeds,
      versions: this.books.versions,
      acks: this.acks,
      nacks: this.nacks,
    };
  }

  private tell(): void {
    this.options.onStatus?.(this.status());
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.phase = "stopped";
    for (const feed of this.feeds.values()) feed.stop();
    this.lives.stop();
    this.holding?.cancel();
    this.jobs.length = 0;
    this.postponed.length = 0;
    this.patience?.cancel();
    await this.working;
    if (this.saving !== undefined) await this.save();
    this.tell();
  }

  nudge(): void {
    for (const feed of this.feeds.values()) feed.nudge?.();
  }

  /** Opens the feeds that something is asked of. */
  private openFeeds(): void {
    if (this.phase !== "running") return;
    for (const name of this.books.feeds) {
      if (this.feeds.has(name)) continue;
      const feed = this.options.plan.open(name, {
        first: () => this.books.firstRequests(name),
        receive: (response) => this.receive(name, response),
        changed: () => this.tell(),
      });
      this.feeds.set(name, feed);
      feed.start();
    }
  }

  private receive(feed: string, response: FeedResponse): boolean {
    const count = this.waiting.get(feed) ?? 0;
    if (count >= limits.maxQueuedResponses) return false;
    this.waiting.set(feed, count + 1);
    this.enqueue(async () => {
      this.waiting.set(feed, (this.waiting.get(feed) ?? 1) - 1);
      await this.take(feed, response);
    });
    return true;
  }

  /** One job at a time, in the order of arrival. */
  private enqueue(job: () => Promise<void>): void {
    if (this.stopped) return;
    this.jobs.push(job);
    this.working ??= this.work().finally(() => {
      this.working = undefined;
    });
  }

  private async work(): Promise<void> {
    for (let next = this.jobs.shift(); next !== undefined; next = this.jobs.shift()) await next();
  }

  private async take(name: string, response: FeedResponse): Promise<void> {
    const { typeUrl } = response;
    if (this.mustWait(typeUrl)) {
      this.postponed.push(() => this.take(name, response));
      return;
    }
    const feed = this.feeds.get(name);
    if (!this.books.knows(typeUrl)) {
      this.answer(feed, response, [{ name: "", message: `type ${typeUrl} was not asked for` }]);
      return;
    }
    const { update, errors, references } = this.read(response);
    const applied = await this.apply(update);
    errors.push(...applied.errors);
    for (const r of response.resources) this.refused.delete(`${typeUrl}\0${r.name}`);
    for (const e of errors) this.refused.add(`${typeUrl}\0${e.name}`);
    // Names that this response refers to are asked for before it is ACKed: the server then sends them first.
    const changes = this.books.applied(update, errors, references);
    this.askFor(changes);
    if (applied.late === undefined) this.answer(feed, response, errors);
    else void applied.late.then((more) => this.answer(feed, response, [...errors, ...more]));
    await this.dropUnwanted(changes);
    await this.releaseHeld();
    this.saveLater();
    if (typeUrl === urls.endpoints || typeUrl === urls.cluster) await this.resume();
  }

  /**
   * Make before break where the server does not: listeners and routes wait for the endpoints of new clusters, which
   * were asked for a moment ago, and for each other in their order.
   */
  private mustWait(typeUrl: string): boolean {
    if (typeUrl !== urls.listener && typeUrl !== urls.route) return false;
    const missing = this.books.missing(urls.endpoints).filter((name) => !this.givenUp.has(name));
    if (missing.length === 0) return this.postponed.length > 0 && !this.resuming;
    this.patience ??= this.options.clock.after(limits.endpointsWaitMs, () => {
      this.patience = undefined;
      for (const name of this.books.missing(urls.endpoints)) this.givenUp.add(name);
      this.enqueue(() => this.resume());
    });
    return true;
  }

  private async resume(): Promise<void> {
    // Others may be missing by now: they get their time too.
    if (this.books.missing(urls.endpoints).some((name) => !this.givenUp.has(name))) {
      if (this.patience === undefined && this.postponed.length > 0) this.mustWait(urls.route);
      return;
    }
    this.patience?.cancel();
    this.patience = undefined;
    this.resuming = true;
    for (const job of this.postponed.splice(0)) await job();
    this.resuming = false;
  }

  /** Leaves out what is not wanted or runs already, resolves what the rest refers to. */
  private read(response: FeedResponse): Reading {
    const { typeUrl } = response;
    const added: ConfigResource[] = [];
    const errors: ApplyError[] = [];
    const references = new Map<string, readonly Want[]>();
    for (const { name, version, any, ttlMs } of response.resources) {
      if (!this.books.wants(typeUrl, name)) continue;
      this.lives.set(typeUrl, name, ttlMs);
      if (typeUrl === urls.cluster) this.held.delete(name);
      if (any === undefined) {
        if (ttlMs === undefined) errors.push({ name, message: "no resource in it" });
        continue;
      }
      if (any.typeUrl !== typeUrl) {
        errors.push({ name, message: `is a ${any.typeUrl}` });
        continue;
      }
      if (response.repeats && this.runs(typeUrl, name, any)) {
        this.books.renew(typeUrl, name, version);
        continue;
      }
      const resolved = this.resolve(any);
      if (typeof resolved === "string") errors.push({ name, message: resolved });
      else {
        references.set(name, resolved);
        added.push({ name, version, any });
      }
    }
    return { update: { typeUrl, added, removed: this.gone(response) }, errors, references };
  }

  /** The same bytes are in effect, and nothing else was refused since. */
  private runs(typeUrl: string, name: string, any: Any): boolean {
    const own = this.books.resource(typeUrl, name);
    if (own === undefined || this.refused.has(`${typeUrl}\0${name}`)) return false;
    return own.value.length === any.value.length && Buffer.compare(own.value, any.value) === 0;
  }

  /** What a resource refers to, and where that comes from; a string says why it cannot be had. */
  private resolve(any: Any): readonly Want[] | string {
    let references: readonly Reference[];
    try {
      references = referencesOf(any);
    } catch {
      // The sink says what is wrong with it.
      return [];
    }
    const wants: Want[] = [];
    try {
      for (const reference of references) {
        const feed = this.options.plan.feedOf(reference);
        if (feed !== undefined) wants.push({ typeUrl: reference.typeUrl, name: reference.name, feed });
      }
      return wants;
    } catch (error) {
      return text(error);
    }
  }

  private gone(response: FeedResponse): readonly string[] {
    const { typeUrl, whole, removed } = response;
    const there = new Set(response.resources.map((r) => r.name));
    const gone = whole ? this.books.names(typeUrl).filter((name) => !there.has(name)) : removed;
    // As in Envoy: endpoints go with their cluster, not before it.
    if (typeUrl === urls.endpoints)
      return gone.filter(
        (name) => !this.books.wants(typeUrl, name) || this.books.resource(typeUrl, name) === undefined,
      );
    if (typeUrl !== urls.cluster || gone.length === 0) return gone;
    const used = this.inUse();
    for (const name of gone) if (used.has(name)) this.hold(name);
    return gone.filter((name) => !used.has(name));
  }

  private inUse(): ReadonlySet<string> {
    return this.options.sink.clustersInUse?.() ?? new Set();
  }

  /** Break only after make: with its endpoints, until the routes that name it were changed too. */
  private hold(name: string): void {
    this.held.add(name);
    this.holding ??= this.options.clock.after(limits.holdRemovalMs, () => {
      this.holding = undefined;
      this.enqueue(() => this.releaseHeld(true));
    });
  }

  private async releaseHeld(all = false): Promise<void> {
    if (this.held.size === 0) return;
    const used = all ? new Set() : this.inUse();
    const free = [...this.held].filter((name) => !used.has(name));
    for (const name of free) this.held.delete(name);
    if (this.held.size === 0) this.holding?.cancel();
    if (this.held.size === 0) this.holding = undefined;
    if (free.length > 0) await this.drop(urls.cluster, free);
  }

  /** Something ends without a response that is to be answered. */
  private async drop(typeUrl: string, names: readonly string[]): Promise<void> {
    const update: ConfigUpdate = { typeUrl, added: [], removed: names };
    await this.apply(update);
    const changes = this.books.applied(update, [], new Map());
    this.askFor(changes);
    await this.dropUnwanted(changes);
    this.saveLater();
    this.tell();
  }

  private askFor(changes: readonly FeedChange[]): void {
    for (const change of changes) this.feeds.get(change.feed)?.ask(change.typeUrl, change, change.wanted);
    this.openFeeds();
  }

  private async dropUnwanted(changes: readonly FeedChange[]): Promise<void> {
    for (const { typeUrl, unsubscribe } of changes) {
      const removed = unsubscribe.filter((name) => !this.books.wants(typeUrl, name));
      for (const name of removed) this.lives.set(typeUrl, name, undefined);
      if (removed.length > 0) await this.apply({ typeUrl, added: [], removed });
    }
  }

  private async apply(update: ConfigUpdate): Promise<Applied> {
    // A server says "nothing new" after a reconnect; the first "nothing at all" is news.
    if (update.added.length + update.removed.length === 0 && this.books.answered(update.typeUrl))
      return { errors: [] };
    try {
      return await this.options.sink.apply(update);
    } catch (error) {
      this.options.log.error(`applying ${shortTypeName(update.typeUrl)} failed`, { error });
      return { errors: update.added.map(({ name }) => ({ name, message: text(error) })) };
    }
  }

  private answer(feed: Feed | undefined, response: FeedResponse, errors: readonly ApplyError[]): void {
    if (errors.length === 0) this.acks++;
    else this.nacks++;
    feed?.answer(response, errors);
    this.tell();
  }

  private async load(): Promise<void> {
    const { snapshot, log } = this.options;
    if (snapshot === undefined) return;
    try {
      const bytes = await snapshot.load();
      if (bytes === undefined) return;
      const decoded = decodeSnapshot(bytes);
      if ("reason" in decoded) {
        log.warn("last good configuration not used", { reason: decoded.reason });
        return;
      }
      for (const update of decoded.updates) {
        const { added } = update;
        const resolved = new Map(added.map((r) => [r.name, this.resolve(r.any)]));
        const wants = [...resolved].filter((e): e is [string, readonly Want[]] => typeof e[1] !== "string");
        const { errors } = await this.apply(update);
        if (errors.length > 0) log.warn("not all of the last good configuration can be used", { errors });
        this.books.applied(update, errors, new Map(wants));
      }
      this.kept = true;
      log.info("started from the last good configuration");
    } catch (error) {
      log.warn("last good configuration cannot be read", { error });
    }
  }

  private saveLater(): void {
    if (this.options.snapshot === undefined || this.stopped) return;
    if (!this.kept && this.books.synced) void this.save();
    else this.saving ??= this.options.clock.after(limits.snapshotDelayMs, () => void this.save());
  }

  private async save(): Promise<void> {
    this.saving?.cancel();
    this.saving = undefined;
    // A half-received configuration is no good one.
    if (!this.books.synced) return;
    this.kept = true;
    await this.options.snapshot?.save(encodeSnapshot(this.books.snapshot())).catch((error) => {
      this.options.log.warn("last good configuration cannot be written", { error: String(error) });
    });
  }
}

/** Nothing happens before start(). */
export function createClient(options: ClientOptions): XdsClient {
  return new Client(options);
}
