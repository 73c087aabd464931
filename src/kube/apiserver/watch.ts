/** Watches: rows after a revision, then what is committed, as a stream of JSON events. */
import type { Clock, Timer } from "../../base/index.ts";
import { type Change, RevisionError } from "../store/index.ts";
import { type Doc, decode, prefixOf } from "./document.ts";
import {
  MAX_WATCH_BACKLOG,
  WATCH_BOOKMARK_MS,
  WATCH_DEFAULT_SECONDS,
  WATCH_HEARTBEAT_MS,
  WATCH_PAGE,
} from "./limits.ts";
import type { Target } from "./prepare.ts";
import type { Registry } from "./registry.ts";
import type { Predicate } from "./selector.ts";
import { gone, internal, StatusError } from "./status.ts";

export interface WatchQuery {
  readonly target: Omit<Target, "name">;
  readonly predicate: Predicate | undefined;
  /** "" or "0": what exists comes first, as ADDED. */
  readonly resourceVersion: string;
  /** What exists comes first, then a bookmark that says so (client-go's WatchList). */
  readonly sendInitialEvents: boolean;
  readonly bookmarks: boolean;
  readonly timeoutSeconds: number;
  /** How an object is shown: itself, a table row, its metadata. */
  readonly show: (doc: Doc) => unknown;
}

type EventType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";

/** Opens a watch. `onClose` is called once, however it ends. */
export function openWatch(
  registry: Registry,
  query: WatchQuery,
  options: { clock: Clock; onClose: () => void },
): { body: ReadableStream<Uint8Array>; stop: () => void } {
  const watch = new Watch(registry, query, options.clock, options.onClose);
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        watch.begin(controller);
      },
      cancel() {
        watch.close();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_WATCH_BACKLOG }),
  );
  return { body, stop: () => watch.close() };
}

class Watch {
  private readonly registry: Registry;
  private readonly query: WatchQuery;
  private readonly clock: Clock;
  private readonly onClose: () => void;
  private readonly prefix: string;
  private readonly timers: Timer[] = [];
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  private unsubscribe: (() => void) | undefined;
  private open = true;
  /** Commits that came while the past was still being read; undefined once the watch is live. */
  private early: Change[] | undefined = [];
  private missed = false;
  private revision = 0;

  constructor(registry: Registry, query: WatchQuery, clock: Clock, onClose: () => void) {
    this.registry = registry;
    this.query = query;
    this.clock = clock;
    this.onClose = onClose;
    this.prefix = prefixOf(query.target.kind, query.target.namespace);
  }

  begin(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.controller = controller;
    // Bun sends no headers before the first byte, and clients wait for them. A blank, not an empty line: to
    // Python's client an empty line is an event.
    this.write(" ");
    this.unsubscribe = this.registry.store.watch((changes) => this.onChanges(changes));
    const seconds = this.query.timeoutSeconds || WATCH_DEFAULT_SECONDS;
    this.timers.push(
      this.clock.after(seconds * 1000, () => this.close()),
      this.clock.every(WATCH_HEARTBEAT_MS, () => this.write(" ")),
    );
    if (this.query.bookmarks) this.timers.push(this.clock.every(WATCH_BOOKMARK_MS, () => this.bookmark()));
    void this.catchUp().catch((e: unknown) => this.fail(e));
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.unsubscribe?.();
    for (const timer of this.timers) timer.cancel();
    try {
      this.controller?.close();
    } catch {
      // The client went first.
    }
    this.onClose();
  }

  private async catchUp(): Promise<void> {
    const { resourceVersion, sendInitialEvents, predicate, target } = this.query;
    if (sendInitialEvents || resourceVersion === "" || resourceVersion === "0") {
      const page = await this.registry.store.list(this.prefix);
      for (const row of page.rows) {
        const doc = decode(target.kind, target.version, row.value, row.revision);
        if (!predicate || predicate(doc)) this.send("ADDED", doc);
      }
      this.revision = page.revision;
      if (sendInitialEvents && this.query.bookmarks) this.bookmark(true);
    } else this.revision = Number(resourceVersion);
    do {
      this.missed = false;
      await this.readPast();
    } while (this.missed && this.open);
    const early = this.early ?? [];
    this.early = undefined;
    this.deliver(early);
  }

  private async readPast(): Promise<void> {
    for (;;) {
      const changes = await this.registry.store.changes(this.prefix, this.revision, WATCH_PAGE);
      this.deliver(changes);
      if (changes.length < WATCH_PAGE || !this.open) return;
    }
  }

  private onChanges(changes: readonly Change[]): void {
    const mine = changes.filter((c) => c.key.startsWith(this.prefix));
    if (mine.length === 0) return;
    if (!this.early) this.deliver(mine);
    else if (this.early.length + mine.length > WATCH_PAGE) {
      this.early = [];
      this.missed = true;
    } else this.early.push(...mine);
  }

  private deliver(changes: readonly Change[]): void {
    for (const change of changes) {
      if (!this.open) return;
      if (change.revision <= this.revision) continue;
      this.revision = change.revision;
      this.deliverOne(change);
    }
  }

  private deliverOne(change: Change): void {
    const { target, predicate } = this.query;
    const show = (value: string): Doc => decode(target.kind, target.version, value, change.revision);
    const now = show(change.value);
    if (!predicate) {
      this.send(change.type === "create" ? "ADDED" : change.type === "update" ? "MODIFIED" : "DELETED", now);
      return;
    }
    const is = change.type !== "delete" && predicate(now);
    const was = change.type !== "create" && change.before !== undefined && predicate(show(change.before));
    if (is) this.send(was ? "MODIFIED" : "ADDED", now);
    else if (was) this.send("DELETED", show(change.before!));
  }

  private bookmark(initialEnd = false): void {
    if (this.early && !initialEnd) return;
    const { kind, version } = this.query.target;
    const doc: Doc = {
      apiVersion: kind.group ? `${kind.group}/${version}` : version,
      kind: kind.kind,
      metadata: {
        name: "",
        resourceVersion: String(initialEnd ? this.revision : this.registry.store.revision),
        ...(initialEnd && { annotations: { "k8s.io/initial-events-end": "true" } }),
      },
    };
    this.write(`${JSON.stringify({ type: "BOOKMARK", object: doc })}\n`);
  }

  private send(type: EventType, doc: Doc): void {
    this.write(`${JSON.stringify({ type, object: this.query.show(doc) })}\n`);
  }

  private fail(e: unknown): void {
    if (!this.open) return;
    this.end(statusOf(e));
  }

  /** The last event says why; the client lists anew. */
  private end(status: StatusError): void {
    const text = `${JSON.stringify({ type: "ERROR", object: status.toStatus() })}\n`;
    this.controller?.enqueue(new TextEncoder().encode(text));
    this.close();
  }

  private write(text: string): void {
    if (!this.open || !this.controller) return;
    if ((this.controller.desiredSize ?? 0) < text.length) {
      this.end(gone(`the watcher is too slow: more than ${MAX_WATCH_BACKLOG} bytes wait for it`));
      return;
    }
    this.controller.enqueue(new TextEncoder().encode(text));
  }
}

function statusOf(e: unknown): StatusError {
  if (e instanceof StatusError) return e;
  if (!(e instanceof RevisionError)) return internal(e instanceof Error ? e.message : String(e));
  if (e.kind === "compacted") return gone("too old resource version: it was compacted; list again");
  return new StatusError(504, "Timeout", "Too large resource version", {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version", field: "" }],
    retryAfterSeconds: 1,
  });
}
