/** A local copy of a collection: list, watch, list again. The same for the embedded server and a cluster. */
import { type Backoff, backoff, type Clock, delay, type Logger, type Rng } from "../../base/index.ts";
import { isKubeError, KubeError } from "./error.ts";
import { limits } from "./limits.ts";
import type { KindRef, KubeClient, KubeObject, ListOptions, WatchEvent } from "./types.ts";

export interface InformerChange<T extends KubeObject = KubeObject> {
  readonly type: "added" | "modified" | "deleted";
  /** For deleted: the last known state. */
  readonly object: T;
  readonly old?: T;
}

export interface InformerOptions<T extends KubeObject> extends ListOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Synchronous; what it throws is logged and stops nothing. */
  readonly onChange?: (change: InformerChange<T>) => void;
  /** Default 10 min; the next full list, whatever the watch said. */
  readonly resyncMs?: number;
  /** The server may not serve the kind (404): then it counts as empty, and is asked for again every 30 s. */
  readonly optional?: boolean;
}

export interface Informer<T extends KubeObject = KubeObject> {
  readonly ref: KindRef;
  start(): void;
  stop(): void;
  /** Resolves after the first complete list was delivered; never rejects. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  /** Why the last list or watch failed; undefined while all is well. */
  readonly lastError: string | undefined;
  /** Since when (ms, the clock's `now`) changes are seen without a gap; undefined while they are not. */
  readonly watchingSince: number | undefined;
  list(namespace?: string): readonly T[];
  get(namespace: string | undefined, name: string): T | undefined;
  readonly size: number;
}

type InformerClient = Pick<KubeClient, "listAll" | "watch">;

class Store<T extends KubeObject> {
  private readonly namespaces = new Map<string, Map<string, T>>();
  size = 0;

  get(namespace: string, name: string): T | undefined {
    return this.namespaces.get(namespace)?.get(name);
  }

  set(object: T): T | undefined {
    const { namespace = "", name } = object.metadata;
    let named = this.namespaces.get(namespace);
    if (named === undefined) {
      named = new Map();
      this.namespaces.set(namespace, named);
    }
    const old = named.get(name);
    if (old === undefined) this.size++;
    named.set(name, object);
    return old;
  }

  delete(object: T): T | undefined {
    const { namespace = "", name } = object.metadata;
    const named = this.namespaces.get(namespace);
    const old = named?.get(name);
    if (named === undefined || old === undefined) return undefined;
    named.delete(name);
    this.size--;
    if (named.size === 0) this.namespaces.delete(namespace);
    return old;
  }

  list(namespace?: string): T[] {
    if (namespace !== undefined) return [...(this.namespaces.get(namespace)?.values() ?? [])];
    return [...this.namespaces.values()].flatMap((named) => [...named.values()]);
  }
}

const keyOf = (o: KubeObject): string => `${o.metadata.namespace ?? ""}/${o.metadata.name}`;
const unchanged = (a: KubeObject, b: KubeObject): boolean =>
  a.metadata.uid === b.metadata.uid &&
  a.metadata.resourceVersion !== undefined &&
  a.metadata.resourceVersion === b.metadata.resourceVersion;

class ListWatch<T extends KubeObject> implements Informer<T> {
  readonly ref: KindRef;
  readonly synced: Promise<void>;
  hasSynced = false;
  lastError: string | undefined;
  watchingSince: number | undefined;
  private readonly store = new Store<T>();
  private readonly client: InformerClient;
  private readonly options: InformerOptions<T>;
  private readonly abort = new AbortController();
  private resolveSynced: () => void = () => {};
  private started = false;
  private version = "";
  private listedAt = 0;

  constructor(client: InformerClient, ref: KindRef, options: InformerOptions<T>) {
    this.ref = ref;
    this.client = client;
    this.options = options;
    this.synced = new Promise((resolve) => {
      this.resolveSynced = resolve;
    });
  }

  get size(): number {
    return this.store.size;
  }

  list(namespace?: string): readonly T[] {
    return this.store.list(namespace);
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.store.get(namespace ?? "", name);
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    void this.run();
  }

  stop(): void {
    this.abort.abort();
  }

  private async run(): Promise<void> {
    const { signal } = this.abort;
    const wait = backoff({ baseMs: limits.retryBaseMs, maxMs: limits.retryMaxMs, rng: this.options.rng });
    let relist = true;
    while (!signal.aborted) {
      try {
        if (relist || this.options.clock.now() - this.listedAt >= this.resyncMs) await this.relist();
        relist = false;
        await this.watch(() => wait.reset());
        this.lastError = undefined;
      } catch (error) {
        if (signal.aborted) return;
        // A list that failed is still owed.
        relist = this.failed(error) || relist;
        const pause = this.pauseAfter(error, wait);
        await delay(this.options.clock, pause, signal).catch(() => {});
      }
    }
  }

  private pauseAfter(error: unknown, wait: Backoff): number {
    if (isKubeError(error, 410)) return 1;
    if (this.options.optional === true && isKubeError(error, 404)) {
      // What was there stays: an API server that starts may not know its kinds yet.
      this.markSynced();
      return limits.absentKindMs;
    }
    return Math.max(wait.next(), retryAfter(error));
  }

  private markSynced(): void {
    if (this.hasSynced) return;
    this.hasSynced = true;
    this.resolveSynced();
  }

  private get resyncMs(): number {
    return this.options.resyncMs ?? limits.resyncMs;
  }

  /** Whether the next step must be a list: everything but an unreachable server casts doubt on the version. */
  private failed(error: unknown): boolean {
    const status = error instanceof KubeError ? error.status : -1;
    this.lastError = error instanceof Error ? error.message : String(error);
    this.watchingSince = undefined;
    const expected = status === 410 || status === 0 || (status === 404 && this.options.optional === true);
    const level = expected ? "debug" : "warn";
    this.options.log[level](`${this.ref.plural}: ${this.lastError}`, { status });
    return status !== 0 || this.version === "";
  }

  private async relist(): Promise<void> {
    const { namespace, labelSelector, fieldSelector } = this.options;
    const page = await this.client.listAll<T>(this.ref, {
      namespace,
      labelSelector,
      fieldSelector,
      signal: this.abort.signal,
    });
    if (this.abort.signal.aborted) return;
    const present = new Set(page.items.map(keyOf));
    for (const gone of this.store.list()) if (!present.has(keyOf(gone))) this.remove(gone);
    for (const object of page.items) this.put(object);
    this.version = page.resourceVersion;
    this.listedAt = this.options.clock.now();
    this.lastError = undefined;
    this.markSynced();
  }

  private async watch(alive: () => void): Promise<void> {
    const { namespace, labelSelector, fieldSelector } = this.options;
    const started = this.options.clock.now();
    let events = 0;
    // Spread, so that the informers of a process do not all reconnect in the same second.
    const seconds = Math.ceil(limits.watchSeconds * (1 + this.options.rng.float()) * 0.5);
    await this.client.watch<T>(this.ref, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: this.version,
      timeoutSeconds: Math.min(seconds, Math.max(1, Math.ceil(this.resyncMs / 1000))),
      signal: this.abort.signal,
      onOpen: () => {
        this.lastError = undefined;
        this.watchingSince ??= this.options.clock.now();
      },
      onEvent: (event) => {
        events++;
        alive();
        this.take(event);
      },
    });
    // A server that closes watches at once without a word must not be asked in a tight loop.
    if (events === 0 && this.options.clock.now() - started < 1000 && !this.abort.signal.aborted)
      throw new KubeError({
        status: 0,
        reason: "WatchClosed",
        message: "the server closed the watch at once",
      });
    alive();
  }

  private take(event: WatchEvent<T>): void {
    const version = event.object.metadata?.resourceVersion;
    if (version !== undefined && version !== "") this.version = version;
    if (event.type === "BOOKMARK") return;
    if (event.type === "DELETED") this.remove(event.object);
    else this.put(event.object);
  }

  private put(object: T): void {
    const old = this.store.get(object.metadata.namespace ?? "", object.metadata.name);
    if (old !== undefined && unchanged(old, object)) return;
    this.store.set(object);
    if (old === undefined) this.tell({ type: "added", object });
    else this.tell({ type: "modified", object, old });
  }

  private remove(object: T): void {
    const old = this.store.delete(object);
    if (old !== undefined) this.tell({ type: "deleted", object: old });
  }

  private tell(change: InformerChange<T>): void {
    try {
      this.options.onChange?.(change);
    } catch (error) {
      this.options.log.error(`${this.ref.plural}: a handler failed`, { error });
    }
  }
}

function retryAfter(error: unknown): number {
  return error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
}

/** Not started yet. While the server is away it keeps what it has. */
export function createInformer<T extends KubeObject>(
  client: InformerClient,
  ref: KindRef,
  options: InformerOptions<T>,
): Informer<T> {
  return new ListWatch(client, ref, options);
}
