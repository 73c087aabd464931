/** The store's thread: one SQLite connection, group commit a turn of the loop. Entry: src/store-worker.ts. */
import { MAX_BATCH } from "./limits.ts";
import { Log } from "./log.ts";
import type { Reply, Request } from "./messages.ts";
import { RevisionError, type Write } from "./types.ts";

/** Serves requests from `receive` with replies to `send`. */
export function serveStore(send: (reply: Reply) => void): (request: Request) => void {
  let log: Log | undefined;
  let waiting: { id: number; writes: readonly Write[] }[] = [];

  const flush = (): void => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_BATCH);
      waiting = waiting.slice(MAX_BATCH);
      const done = log!.commit(batch.map((b) => b.writes));
      send({
        type: "committed",
        outcomes: done.map((d, i) => ({ id: batch[i]!.id, outcome: d.outcome })),
        changes: done.flatMap((d) => d.changes),
        revision: log!.revision,
      });
    }
  };

  const reply = (id: number, work: () => unknown): void => {
    try {
      send({ type: "result", id, result: work() });
    } catch (e) {
      const message = e instanceof Error ? e.message : String(e);
      const extra = e instanceof RevisionError ? { kind: e.kind, current: e.current } : {};
      send({ type: "error", id, message, ...extra });
    }
  };

  /** A slice a turn of the loop: writes go between. */
  const compact = (id: number, revision: number): void => {
    // A store that was closed meanwhile goes on where it was, next time.
    const more = (): boolean => log?.compact(revision) ?? false;
    let again = false;
    try {
      again = more();
    } catch (e) {
      reply(id, () => {
        throw e;
      });
      return;
    }
    if (again) setImmediate(() => compact(id, revision));
    else reply(id, () => undefined);
  };

  const answer = (request: Exclude<Request, { op: "write" | "compact" }>): unknown => {
    if (request.op === "open") {
      log = new Log(request.file, request.program);
      return log.revision;
    }
    if (!log) throw new Error("the store is not open");
    switch (request.op) {
      case "get":
        return log.get(request.key);
      case "list":
        return log.list(request.prefix, request.options);
      case "changes":
        return log.changes(request.prefix, request.after, request.limit);
      case "backup":
        return log.backup(request.file);
      case "close": {
        log.close();
        log = undefined;
        return undefined;
      }
    }
  };

  return (request) => {
    if (request.op === "write") {
      if (waiting.push({ id: request.id, writes: request.writes }) === 1) setImmediate(flush);
      return;
    }
    // Whoever reads after writing sees what he wrote.
    flush();
    if (request.op === "compact") compact(request.id, request.revision);
    else reply(request.id, () => answer(request));
  };
}
