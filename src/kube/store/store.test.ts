/** What every Store must do, run on each implementation; and what is special about the database. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openLocalStore, openStore } from "./client.ts";
import { MAX_PENDING_WRITES, MAX_TRANSACTION, MAX_VALUE_BYTES } from "./limits.ts";
import { type Change, type Outcome, RevisionError, type Store } from "./types.ts";

type Open = (file: string) => Promise<Store>;

/** Runs `use` with a store in a fresh folder. */
async function withStore(open: Open, use: (store: Store, file: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "weft-store-"));
  const store = await open(join(dir, "s", "weft.db"));
  try {
    await use(store, join(dir, "s", "weft.db"));
  } finally {
    await store.close().catch(() => undefined);
    rmSync(dir, { recursive: true, force: true });
  }
}

const put = (store: Store, key: string, value: string, expect?: number): Promise<Outcome> =>
  store.write([{ key, value, expect }]);

/** Runs the suite on one implementation. */
function storeContract(name: string, open: Open): void {
  const it = (what: string, use: (store: Store, file: string) => Promise<void>): void =>
    test(what, () => withStore(open, use));

  describe(`store contract: ${name}`, () => {
    it("reads what was written, under rising revisions", async (store) => {
      expect(await put(store, "/a/1", "one", 0)).toMatchObject({
        ok: true,
        rows: [{ revision: 1, created: 1 }],
      });
      expect(await put(store, "/a/1", "uno", 1)).toMatchObject({
        ok: true,
        rows: [{ revision: 2, created: 1 }],
      });
      expect(await store.get("/a/1")).toEqual({ revision: 2, key: "/a/1", created: 1, value: "uno" });
      expect(await store.get("/a/2")).toBeUndefined();
      expect(store.revision).toBe(2);
    });

    it("refuses a write whose expectation does not hold, and says how the key stands", async (store) => {
      await put(store, "/a", "1", 0);
      expect(await put(store, "/a", "2", 0)).toMatchObject({
        ok: false,
        reason: "conflict",
        current: { revision: 1 },
      });
      expect(await put(store, "/a", "2", 7)).toMatchObject({ ok: false, reason: "conflict" });
      expect(await put(store, "/b", "2", 7)).toMatchObject({
        ok: false,
        reason: "conflict",
        current: undefined,
      });
      expect((await store.get("/a"))?.value).toBe("1");
    });

    it("writes all of a transaction or none", async (store) => {
      await put(store, "/taken", "x", 0);
      const outcome = await store.write([
        { key: "/new", value: "1", expect: 0 },
        { key: "/taken", value: "2", expect: 0 },
      ]);
      expect(outcome).toMatchObject({ ok: false, index: 1 });
      expect(await store.get("/new")).toBeUndefined();
      expect(await put(store, "/next", "1", 0)).toMatchObject({ ok: true, rows: [{ revision: 2 }] });
    });

    it("a failing write does not fail its batch mates", async (store) => {
      const outcomes = await Promise.all([
        put(store, "/1", "a", 0),
        put(store, "/2", "x".repeat(MAX_VALUE_BYTES + 1), 0),
        put(store, "/1", "b", 0),
        put(store, "/3", "c", 0),
      ]);
      expect(outcomes.map((o) => (o.ok ? "ok" : o.reason))).toEqual(["ok", "failed", "conflict", "ok"]);
      expect((await store.list("/")).rows.map((r) => r.key)).toEqual(["/1", "/3"]);
    });

    it("holds its limits: value and transaction, at the limit and beyond", async (store) => {
      expect((await put(store, "/v", "x".repeat(MAX_VALUE_BYTES), 0)).ok).toBe(true);
      const many = (n: number) =>
        Array.from({ length: n }, (_, i) => ({ key: `/t/${i}`, value: "", expect: undefined }));
      expect((await store.write(many(MAX_TRANSACTION))).ok).toBe(true);
      expect(await store.write(many(MAX_TRANSACTION + 1))).toMatchObject({ ok: false, reason: "failed" });
    });

    it("takes as many waiting writes as its limit, refuses the next as busy, and goes on after", async (store) => {
      const waiting = Array.from({ length: MAX_PENDING_WRITES }, (_, i) => put(store, `/q/${i}`, "", 0));
      expect(await put(store, "/q/more", "", 0)).toMatchObject({ ok: false, reason: "busy" });
      expect((await Promise.all(waiting)).every((o) => o.ok)).toBe(true);
      expect((await put(store, "/q/more", "", 0)).ok).toBe(true);
    });

    it("exactly one of many writers with the same expectation wins", async (store) => {
      await put(store, "/k", "0", 0);
      const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => put(store, "/k", `${i}`, 1)));
      expect(outcomes.filter((o) => o.ok)).toHaveLength(1);
    });

    it("lists by prefix, in pages, and as of an older revision", async (store) => {
      for (const key of ["/a/1", "/a/2", "/a/3", "/b/1"]) await put(store, key, key, 0);
      await store.write([{ key: "/a/2", value: undefined, expect: undefined }]);
      const first = await store.list("/a/", { limit: 1 });
      expect(first).toMatchObject({ revision: 5, more: true, remaining: 1 });
      const rest = await store.list("/a/", { limit: 1, after: "/a/1", revision: 5 });
      expect(rest.rows.map((r) => r.key)).toEqual(["/a/3"]);
      expect(rest.more).toBe(false);
      const old = await store.list("/a/", { revision: 4 });
      expect(old.rows.map((r) => r.key)).toEqual(["/a/1", "/a/2", "/a/3"]);
      const page = await store.list("/a/", { revision: 4, limit: 2 });
      expect([page.rows.length, page.more, page.remaining]).toEqual([2, true, 1]);
    });

    it("tells changes after a revision with the value before, and live ones before the write resolves", async (store) => {
      const live: Change[] = [];
      const stop = store.watch((changes) => live.push(...changes));
      await put(store, "/a/1", "one", 0);
      expect(live).toHaveLength(1);
      await put(store, "/a/1", "uno", 1);
      await put(store, "/b", "x", 0);
      await store.write([{ key: "/a/1", value: undefined, expect: 2 }]);
      const want = [
        { revision: 1, key: "/a/1", type: "create", value: "one", before: undefined, created: 1 },
        { revision: 2, key: "/a/1", type: "update", value: "uno", before: "one", created: 1 },
        { revision: 4, key: "/a/1", type: "delete", value: "uno", before: "uno", created: 1 },
      ];
      expect((await store.changes("/a/", 0, 100)) as unknown).toEqual(want);
      expect(live.filter((c) => c.key.startsWith("/a/")) as unknown).toEqual(want);
      expect(await store.changes("/a/", 1, 1)).toHaveLength(1);
      stop();
      await put(store, "/c", "x", 0);
      expect(live).toHaveLength(4);
    });

    it("compacts what was superseded, keeps what lives, and says so to whoever asks for it", async (store) => {
      await put(store, "/a", "1", 0);
      await put(store, "/a", "2", 1);
      await put(store, "/b", "1", 0);
      await store.write([{ key: "/b", value: undefined, expect: undefined }]);
      await put(store, "/a", "3", 2);
      await store.compact(4);
      expect((await store.get("/a"))?.value).toBe("3");
      expect((await store.list("/", { revision: 4 })).rows.map((r) => r.value)).toEqual(["2"]);
      expect(await store.changes("/", 4, 10)).toMatchObject([{ type: "update", before: "2", value: "3" }]);
      for (const past of [store.changes("/", 3, 10), store.list("/", { revision: 3 })]) {
        expect(await past.catch((e: unknown) => e)).toMatchObject({ kind: "compacted", current: 5 });
      }
      expect(await store.changes("/", 9, 10).catch((e: unknown) => e)).toBeInstanceOf(RevisionError);
    });

    it("passes over deletions of what is not there only without an expectation", async (store) => {
      expect(await store.write([{ key: "/no", value: undefined, expect: undefined }])).toEqual({
        ok: true,
        rows: [],
      });
      expect(await store.write([{ key: "/no", value: undefined, expect: 3 }])).toMatchObject({ ok: false });
    });
  });
}

const entry = new URL("../../store-worker.ts", import.meta.url);
const inThread = (file: string): Promise<Store> => openStore({ file, createWorker: () => new Worker(entry) });
const local = (file: string): Promise<Store> => openLocalStore({ file });

storeContract("in a Worker", inThread);
storeContract("in this thread", local);

test("folder 0700, files 0600", () =>
  withStore(local, async (store, file) => {
    await store.write([{ key: "/a", value: "secret", expect: 0 }]);
    expect(statSync(dirname(file)).mode & 0o777).toBe(0o700);
    for (const f of [file, `${file}-wal`, `${file}.owner`]) expect(statSync(f).mode & 0o077).toBe(0);
  }));

test("a backup opens as a store with the same content and goes on counting", () =>
  withStore(local, async (store, file) => {
    await store.write([{ key: "/a", value: "1", expect: 0 }]);
    await store.backup(join(dirname(file), "copy.db"));
    const copy = await local(join(dirname(file), "copy.db"));
    expect((await copy.get("/a"))?.value).toBe("1");
    expect(await copy.write([{ key: "/b", value: "1", expect: 0 }])).toMatchObject({
      rows: [{ revision: 2 }],
    });
    await copy.close();
  }));

/** A process that opens the store and writes numbered keys, one line of output an acknowledged write. */
const writer = `
const { openLocalStore } = await import(process.argv[1]);
const store = await openLocalStore({ file: process.argv[2] });
console.log("ready");
for (let i = 0; ; i++) {
  const outcomes = await Promise.all([0, 1, 2].map((n) => store.write([{ key: "/k/" + i + "." + n, value: "v", expect: 0 }])));
  if (outcomes.every((o) => o.ok)) console.log(i);
}`;

async function spawnWriter(file: string, acknowledged: number) {
  const child = Bun.spawn([process.execPath, "-e", writer, join(import.meta.dir, "index.ts"), file], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let text = "";
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  const more = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    if (value) text += decoder.decode(value, { stream: true });
    return !done;
  };
  while (text.split("\n").length < acknowledged + 2 && (await more()));
  return {
    child,
    finish: async () => {
      while (await more());
      return text
        .split("\n")
        .slice(1)
        .filter((l) => /^\d+$/.test(l))
        .map(Number);
    },
  };
}

test("kill -9 amid writes loses no acknowledged one, and a holder names itself until it dies", async () => {
  const dir = mkdtempSync(join(tmpdir(), "weft-store-"));
  const file = join(dir, "s", "weft.db");
  for (let round = 0; round < 3; round++) {
    const path = `${file}.${round}`;
    const { child, finish } = await spawnWriter(path, 20);
    const refusal = await inThread(path).catch((e: Error) => e.message);
    expect(refusal).toContain(`in use by process ${child.pid}`);
    child.kill("SIGKILL");
    const seen = await finish();
    await child.exited;
    const store = await inThread(path);
    expect(seen.length).toBeGreaterThanOrEqual(20);
    // The last line may have been cut short by the kill.
    for (const i of seen.slice(0, -1)) expect(await store.get(`/k/${i}.2`)).toBeDefined();
    expect(await store.write([{ key: "/after", value: "x", expect: 0 }])).toMatchObject({ ok: true });
    await store.close();
  }
  rmSync(dir, { recursive: true });
});
