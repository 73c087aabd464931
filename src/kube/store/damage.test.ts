/** A write-ahead log that a power cut or a bad disk has bitten: what is left is a whole prefix, and work goes on. */
import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRng } from "../../base/index.ts";
import { openLocalStore } from "./client.ts";

const writes = 60;

/** Each write is a transaction of its own: revision n made key /k/n, and the counter stands at n. */
async function filled(dir: string): Promise<string> {
  const file = join(dir, "weft.db");
  const store = await openLocalStore({ file });
  // In the database itself, so that it is not all in the log.
  await store.write([{ key: "/first", value: "x", expect: 0 }]);
  await store.close();
  const again = await openLocalStore({ file });
  for (let i = 0; i < writes; i++) await again.write([{ key: `/k/${i}`, value: "v".repeat(300), expect: 0 }]);
  // As a crash leaves it: both files as they are while the store is open.
  for (const end of ["", "-wal"]) copyFileSync(file + end, join(dir, `cut.db${end}`));
  await again.close();
  return join(dir, "cut.db");
}

type Damage = (wal: string, at: number) => void;

const damages: Readonly<Record<string, Damage>> = {
  truncated: (wal, at) => truncateSync(wal, at),
  garbled(wal, at) {
    const bytes = readFileSync(wal);
    bytes.fill(0xa5, at, at + 64);
    writeFileSync(wal, bytes);
  },
  "with foreign bytes behind it": (wal, at) =>
    writeFileSync(wal, Buffer.concat([readFileSync(wal), Buffer.alloc(at, 7)])),
};

for (const [name, damage] of Object.entries(damages))
  test(`a log that is ${name}: a prefix of the revisions is there, whole, and counting goes on`, async () => {
    const dir = mkdtempSync(join(tmpdir(), "weft-damage-"));
    const rng = seededRng(5);
    const source = await filled(dir);
    const length = readFileSync(`${source}-wal`).length;
    expect(length).toBeGreaterThan(100_000);
    const found = new Set<number>();
    for (let round = 0; round < 12; round++) {
      const folder = join(dir, `${round}`);
      mkdirSync(folder, { mode: 0o700 });
      const file = join(folder, "weft.db");
      for (const end of ["", "-wal"]) copyFileSync(source + end, file + end);
      damage(`${file}-wal`, rng.int(length));
      const store = await openLocalStore({ file });
      const { revision } = store;
      found.add(revision);
      expect(revision).toBeWithin(1, writes + 2);
      const { rows } = await store.list("/k/");
      expect(rows.map((r) => r.key).sort()).toEqual(
        Array.from({ length: revision - 1 }, (_, i) => `/k/${i}`).sort(),
      );
      expect(await store.write([{ key: "/after", value: "x", expect: 0 }])).toMatchObject({
        rows: [{ revision: revision + 1 }],
      });
      await store.close();
      const db = new Database(file, { readonly: true });
      expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      db.close();
    }
    if (name !== "with foreign bytes behind it") expect(found.size).toBeGreaterThan(4);
    else expect([...found]).toEqual([writes + 1]);
    rmSync(dir, { recursive: true });
  });

/** A file system of its own; undefined where this user may not mount one. */
function ownDisk(): { dir: string; mode: (mode: "ro" | "rw") => boolean; remove: () => void } | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const dir = mkdtempSync(join(tmpdir(), "weft-ro-"));
  const run = (...command: string[]): boolean => Bun.spawnSync(command, { stderr: "ignore" }).exitCode === 0;
  const mounted = run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", dir);
  const remove = (): void => {
    if (mounted) run("umount", "-l", dir);
    rmSync(dir, { recursive: true, force: true });
  };
  if (mounted) return { dir, mode: (mode) => run("mount", "-o", `remount,${mode}`, dir), remove };
  remove();
  return undefined;
}
const disk = ownDisk();
afterAll(() => disk?.remove());

test.skipIf(disk === undefined)(
  "a read-only disk: the store is refused with the reason, and is as it was once the disk can be written again",
  async () => {
    const file = join(disk!.dir, "s", "weft.db");
    // Linux turns no disk read-only under a file that is open for writing: it is met at the start.
    const first = await openLocalStore({ file });
    await first.write([{ key: "/a", value: "1", expect: 0 }]);
    await first.close();
    expect(disk!.mode("ro")).toBe(true);
    expect(await openLocalStore({ file }).catch((e: Error) => e.message)).toContain("EROFS");
    expect(disk!.mode("rw")).toBe(true);
    const again = await openLocalStore({ file });
    expect((await again.get("/a"))?.value).toBe("1");
    expect(await again.write([{ key: "/b", value: "1", expect: 0 }])).toMatchObject({
      rows: [{ revision: 2 }],
    });
    await again.close();
  },
);
