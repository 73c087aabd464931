/** A copy of the store as one file, with what else is to be kept in it, and the way back. */
import { Database } from "bun:sqlite";
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { RESTORE_GAP } from "./limits.ts";
import { Log } from "./log.ts";
import { SCHEMA_VERSION } from "./migrations.ts";

/** Names and texts that belong to the store but lie beside it. */
export type Kept = Readonly<Record<string, string>>;

export interface Restored {
  readonly kept: Kept;
  /** Where counting goes on: above all that was ever told of either store. */
  readonly revision: number;
  readonly objects: number;
  /** Where the store that was there lies now. */
  readonly before?: string;
}

/** Puts `kept` into a copy that Store.backup made. */
export function sealBackup(file: string, kept: Kept): void {
  const db = new Database(file, { readwrite: true });
  try {
    db.run("CREATE TABLE kept (name TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT, WITHOUT ROWID");
    const insert = db.query("INSERT INTO kept VALUES (?, ?)");
    db.transaction(() => {
      for (const [name, content] of Object.entries(kept)) insert.run(name, content);
    })();
  } finally {
    db.close();
  }
}

/** Objects in a backup; throws where it is none, is damaged, or was written by a newer program. */
export function checkBackup(file: string): number {
  if (!existsSync(file)) throw new Error(`${file} does not exist`);
  let db: Database | undefined;
  try {
    db = new Database(file, { readonly: true });
    const { integrity_check: said } = db.query("PRAGMA integrity_check").get() as { integrity_check: string };
    if (said !== "ok") throw new Error(said);
    const { user_version: schema } = db.query("PRAGMA user_version").get() as { user_version: number };
    if (schema > SCHEMA_VERSION)
      throw new Error(`its schema is version ${schema}, this program knows up to ${SCHEMA_VERSION}`);
    db.query("SELECT name FROM kept").all();
    return (db.query("SELECT COUNT(*) AS n FROM latest").get() as { n: number }).n;
  } catch (e) {
    throw new Error(`${file} is no backup that can be restored: ${e instanceof Error ? e.message : e}`);
  } finally {
    db?.close();
  }
}

/**
 * Makes `file` what `backup` holds. A store that is there is kept beside it; where a process holds it this throws, and
 * nothing was changed. Revisions go on above both, and the past is gone: whoever watched lists anew.
 */
export function restoreBackup(backup: string, file: string, program: string): Restored {
  const objects = checkBackup(backup);
  const fresh = `${file}.restoring`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const there = existsSync(file) ? new Log(file, program) : undefined;
  try {
    copyFileSync(backup, fresh);
    chmodSync(fresh, 0o600);
    const { kept, revision } = advance(fresh, there?.revision ?? 0);
    const before = there === undefined ? undefined : `${file}.before-${revision}`;
    there?.close();
    if (before !== undefined) renameSync(file, before);
    for (const rest of ["-wal", "-shm"]) rmSync(`${file}${rest}`, { force: true });
    renameSync(fresh, file);
    return { kept, revision, objects, ...(before === undefined ? {} : { before }) };
  } catch (e) {
    rmSync(fresh, { force: true });
    there?.close();
    throw e;
  }
}

/** Takes out what was kept, forgets the past, and sets the revision above what anybody can have seen. */
function advance(file: string, seen: number): { kept: Kept; revision: number } {
  const db = new Database(file, { readwrite: true });
  try {
    const rows = db.query("SELECT name, content FROM kept").all() as { name: string; content: string }[];
    const { seq } = db.query("SELECT seq FROM sqlite_sequence WHERE name = 'log'").get() as { seq: number };
    const revision = Math.max(seq, seen) + RESTORE_GAP;
    db.transaction(() => {
      db.run("DROP TABLE kept");
      db.run("DELETE FROM log WHERE revision NOT IN (SELECT revision FROM latest)");
      db.query("UPDATE sqlite_sequence SET seq = ? WHERE name = 'log'").run(revision);
      db.query("UPDATE meta SET value = ? WHERE name = 'compacted'").run(revision);
    }).immediate();
    return { kept: Object.fromEntries(rows.map((r) => [r.name, r.content])), revision };
  } finally {
    db.close();
  }
}
