/** What becomes of a database when another version of the program opens it, and of its past when that is compacted. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openLocalStore, openStore } from "./client.ts";
import { COMPACT_SLICE } from "./limits.ts";
import { backupName, migrate, migrations, SCHEMA_VERSION } from "./migrations.ts";
import { RevisionError } from "./types.ts";

let dir = "";
let file = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "weft-upgrade-"));
  file = join(dir, "store", "weft.db");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A database as the program of that schema left it, with two objects of which one was changed. */
function old(schema: number): void {
  mkdirSync(dirname(file), { mode: 0o700 });
  const db = new Database(file);
  db.run("PRAGMA journal_mode = WAL");
  for (const step of migrations.slice(0, schema)) db.run(step);
  db.run(`PRAGMA user_version = ${schema}`);
  const rows: readonly (readonly [string, number, number, string])[] = [
    ["/a", 1, 0, "1"],
    ["/b", 2, 0, "1"],
    ["/a", 1, 1, "2"],
  ];
  for (const [key, created, previous, value] of rows)
    db.query("INSERT INTO log (key, created, previous, deleted, value) VALUES (?, ?, ?, 0, ?)").run(
      key,
      created,
      previous,
      value,
    );
  db.run("INSERT INTO latest VALUES ('/a', 3), ('/b', 2)");
  db.close();
}

const schemaOf = (path: string): number => {
  const db = new Database(path, { readonly: true });
  const { user_version } = db.query("PRAGMA user_version").get() as { user_version: number };
  db.close();
  return user_version;
};

describe("a database of an older program", () => {
  for (let schema = 1; schema < SCHEMA_VERSION; schema++)
    test(`schema ${schema}: everything is there, counting goes on, and it stays beside as it was`, async () => {
      old(schema);
      const store = await openLocalStore({ file, program: "Weft 9.9" });
      expect(store.revision).toBe(3);
      expect((await store.list("/")).rows).toEqual([
        { revision: 3, key: "/a", created: 1, value: "2" },
        { revision: 2, key: "/b", created: 2, value: "1" },
      ]);
      expect(await store.changes("/", 0, 10)).toHaveLength(3);
      expect(await store.write([{ key: "/c", value: "1", expect: 0 }])).toMatchObject({
        rows: [{ revision: 4 }],
      });
      await store.close();
      expect(schemaOf(file)).toBe(SCHEMA_VERSION);
      const copy = backupName(file, schema);
      expect([schemaOf(copy), statSync(copy).mode & 0o777]).toEqual([schema, 0o600]);
    });

  test("a step that fails leaves all of it as it was, and the next start tries again", () => {
    old(1);
    const db = new Database(file);
    const steps = [...migrations, "CREATE TABLE late (x) STRICT"];
    expect(() => migrate(db, file, "Weft", steps)).toThrow();
    expect(db.query("SELECT name FROM sqlite_master WHERE name = 'programs'").get()).toBeNull();
    expect(schemaOf(file)).toBe(1);
    migrate(db, file, "Weft");
    expect(schemaOf(file)).toBe(SCHEMA_VERSION);
    db.close();
  });

  test("killed amid a migration it is as it was or as it shall be", async () => {
    old(1);
    // The last step holds the transaction open until the kill.
    const code = `import { Database } from "bun:sqlite";
      const { migrate, migrations } = await import(${JSON.stringify(join(import.meta.dir, "migrations.ts"))});
      const db = new Database(${JSON.stringify(file)});
      process.stdout.write("migrating");
      migrate(db, ${JSON.stringify(file)}, "Weft", [...migrations, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) INSERT INTO latest SELECT x, x FROM n"]);`;
    const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", stderr: "inherit" });
    await child.stdout.getReader().read();
    while (!existsSync(backupName(file, 1))) await new Promise((resolve) => setImmediate(resolve));
    child.kill("SIGKILL");
    await child.exited;
    const store = await openStore({
      file,
      createWorker: () => new Worker(new URL("../../store-worker.ts", import.meta.url)),
    });
    expect((await store.list("/")).rows.map((r) => r.value)).toEqual(["2", "1"]);
    await store.close();
    expect(schemaOf(file)).toBe(SCHEMA_VERSION);
  });
});

test("a database of a newer program is refused with that program's name and both versions", async () => {
  await (await openLocalStore({ file })).close();
  const db = new Database(file);
  const next = SCHEMA_VERSION + 1;
  db.query("INSERT INTO programs VALUES (?, ?)").run(next, "Weft 47.11");
  db.run(`PRAGMA user_version = ${next}`);
  db.close();
  const refusal = await openLocalStore({ file }).catch((e: Error) => e.message);
  expect(refusal).toContain(
    `was written by Weft 47.11: its schema is version ${next}, this program knows up to ${SCHEMA_VERSION}`,
  );
  // Refused means untouched.
  expect(schemaOf(file)).toBe(next);
});

test("a new database notes who made it", async () => {
  await (await openLocalStore({ file, program: "Weft 1.2.3" })).close();
  const db = new Database(file, { readonly: true });
  expect(db.query("SELECT * FROM programs").all()).toEqual([{ schema: SCHEMA_VERSION, name: "Weft 1.2.3" }]);
  db.close();
  expect(existsSync(backupName(file, 0))).toBe(false);
});

describe("compaction in slices", () => {
  for (const revisions of [COMPACT_SLICE, COMPACT_SLICE + 1, 3 * COMPACT_SLICE])
    test(`${revisions} revisions: what lives stays, writes go on meanwhile, the past is gone also after a restart`, async () => {
      let store = await openLocalStore({ file });
      const write = (key: string, value: string | undefined) =>
        store.write([{ key, value, expect: undefined }]);
      await write("/kept", "from the beginning");
      await Promise.all(Array.from({ length: revisions - 1 }, (_, i) => write(`/k/${i % 7}`, `${i}`)));
      expect(store.revision).toBe(revisions);
      const compaction = store.compact(revisions);
      await write("/meanwhile", "x");
      await compaction;
      const rows = async (): Promise<number> => {
        const db = new Database(file, { readonly: true });
        const { n } = db.query("SELECT COUNT(*) AS n FROM log").get() as { n: number };
        db.close();
        return n;
      };
      await store.close();
      expect(await rows()).toBe(9);
      store = await openLocalStore({ file });
      expect((await store.list("/")).rows.map((r) => r.key)).toEqual([
        ...Array.from({ length: 7 }, (_, i) => `/k/${i}`),
        "/kept",
        "/meanwhile",
      ]);
      for (const past of [store.changes("/", revisions - 1, 10), store.list("/", { revision: 1 })])
        expect(await past.catch((e: unknown) => e)).toBeInstanceOf(RevisionError);
      expect(await store.changes("/", revisions, 10)).toMatchObject([{ key: "/meanwhile" }]);
      expect(await write("/after", "x")).toMatchObject({ rows: [{ revision: revisions + 2 }] });
      await store.close();
    });

  test("deletions of long ago go with what they deleted", async () => {
    const store = await openLocalStore({ file });
    for (let i = 0; i < 3; i++) {
      await store.write([{ key: "/a", value: `${i}`, expect: undefined }]);
      await store.write([{ key: "/a", value: undefined, expect: undefined }]);
      await store.compact(store.revision - 1);
    }
    await store.compact(store.revision);
    await store.close();
    const db = new Database(file, { readonly: true });
    expect(db.query("SELECT COUNT(*) AS n FROM log").get()).toEqual({ n: 0 });
    db.close();
    const again = await openLocalStore({ file });
    expect([again.revision, (await again.list("/")).rows.length]).toEqual([6, 0]);
    await again.close();
  });
});
