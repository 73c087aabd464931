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

  const answer = (request: Exclude<Request, { op: "write" }>): unknown => {
    if (request.op === "open") {
      log = new Log(request.file);
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
      case "compact":
        return log.compact(request.revision);
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
    try {
      send({ type: "result", id: request.id, result: answer(request) });
    } catch (e) {
      const message = e instanceof Error ? e.message : String(e);
      const extra = e instanceof RevisionError ? { kind: e.kind, current: e.current } : {};
      send({ type: "error", id: request.id, message, ...extra });
    }
  };
}
