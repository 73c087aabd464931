/** The Store of the store's thread, as its owner sees it. */
import { MAX_PENDING_WRITES } from "./limits.ts";
import type { Reply, Request } from "./messages.ts";
import { type Change, type Outcome, type Page, RevisionError, type Row, type Store } from "./types.ts";
import { serveStore } from "./worker.ts";

/** Both ends of the talk: a Worker, or the same code in this thread. */
interface Channel {
  send(request: Request): void;
  stop(): void;
}
type Connect = (receive: (reply: Reply) => void, broken: (why: string) => void) => Channel;

export interface OpenOptions {
  readonly file: string;
  /** Name and version of this program, noted in what it makes; default `Weft`. */
  readonly program?: string;
}

/** Opens the database in a Worker of its own. Rejects where another process holds it, or a newer Weft wrote it. */
export function openStore(options: OpenOptions & { createWorker: () => Worker }): Promise<Store> {
  return connectStore(options, (receive, broken) => {
    const worker = options.createWorker();
    worker.onmessage = (event: MessageEvent<Reply>) => receive(event.data);
    worker.onerror = (event) => broken(event.message);
    worker.addEventListener("close", () => broken("the store's thread ended"));
    return { send: (request) => worker.postMessage(request), stop: () => worker.terminate() };
  });
}

/** The same store without a thread; fsync then blocks the caller's loop. For tools and tests. */
export function openLocalStore(options: OpenOptions): Promise<Store> {
  return connectStore(options, (receive) => {
    const serve = serveStore((reply) => queueMicrotask(() => receive(reply)));
    return { send: serve, stop: () => undefined };
  });
}

type Body = Request extends infer R ? (R extends Request ? Omit<R, "id"> : never) : never;

async function connectStore(options: OpenOptions, connect: Connect): Promise<Store> {
  const { file, program = "Weft" } = options;
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (e: Error) => void }>();
  const watchers = new Set<(changes: readonly Change[]) => void>();
  let revision = 0;
  let next = 1;
  let writes = 0;
  let dead: string | undefined;

  const receive = (reply: Reply): void => {
    if (reply.type === "committed") {
      revision = reply.revision;
      if (reply.changes.length > 0) for (const watcher of [...watchers]) watcher(reply.changes);
      for (const { id, outcome } of reply.outcomes) take(id)?.resolve(outcome);
      return;
    }
    const waiter = take(reply.id);
    if (reply.type === "result") waiter?.resolve(reply.result);
    else
      waiter?.reject(
        reply.kind ? new RevisionError(reply.kind, reply.current ?? 0) : new Error(reply.message),
      );
  };
  const take = (id: number) => {
    const waiter = pending.get(id);
    pending.delete(id);
    return waiter;
  };
  const broken = (why: string): void => {
    dead ??= why;
    for (const waiter of pending.values()) waiter.reject(new Error(`store: ${why}`));
    pending.clear();
  };
  const channel = connect(receive, broken);
  const ask = <T>(body: Body): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (dead !== undefined) return reject(new Error(`store: ${dead}`));
      const id = next++;
      pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      channel.send({ id, ...body } as Request);
    });

  try {
    revision = await ask<number>({ op: "open", file, program });
  } catch (e) {
    channel.stop();
    throw e;
  }
  return {
    get revision() {
      return revision;
    },
    get: (key) => ask<Row | undefined>({ op: "get", key }),
    list: (prefix, options = {}) => ask<Page>({ op: "list", prefix, options }),
    async write(batch) {
      if (writes >= MAX_PENDING_WRITES) {
        return {
          ok: false,
          reason: "busy",
          message: `more than ${MAX_PENDING_WRITES} writes wait for the disk`,
        };
      }
      writes++;
      try {
        return await ask<Outcome>({ op: "write", writes: batch });
      } finally {
        writes--;
      }
    },
    changes: (prefix, after, limit) => ask<readonly Change[]>({ op: "changes", prefix, after, limit }),
    watch(onChanges) {
      watchers.add(onChanges);
      return () => watchers.delete(onChanges);
    },
    compact: (to) => ask<void>({ op: "compact", revision: to }),
    backup: (to) => ask<void>({ op: "backup", file: to }),
    async close() {
      if (dead === undefined) await ask<void>({ op: "close" });
      broken("closed");
      channel.stop();
    },
  };
}
