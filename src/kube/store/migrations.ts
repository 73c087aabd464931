/** Numbered migrations; `user_version` says how many of them a database has seen. */
import type { Database } from "bun:sqlite";
import { chmodSync, existsSync, rmSync } from "node:fs";

/** Never changed once released; the next one is appended. */
export const migrations: readonly string[] = [
  // 1: the log. `previous` is the revision that this one follows: unique, so two writers cannot follow the same.
  `CREATE TABLE log (
     revision INTEGER PRIMARY KEY AUTOINCREMENT,
     key      TEXT NOT NULL,
     created  INTEGER NOT NULL,
     previous INTEGER NOT NULL,
     deleted  INTEGER NOT NULL,
     value    TEXT NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX log_key ON log (key, revision);
   CREATE UNIQUE INDEX log_succession ON log (key, previous) WHERE previous > 0;
   CREATE TABLE latest (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   INSERT INTO meta VALUES ('compacted', 0);`,
  // 2: which program brought the database to which schema, so that a refusal can name the one to run.
  "CREATE TABLE programs (schema INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;",
];

export const SCHEMA_VERSION = migrations.length;

const versionOf = (db: Database): number =>
  (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;

/** Who wrote the schema, where it says so. */
function programOf(db: Database, schema: number): string {
  try {
    const row = db.query("SELECT name FROM programs WHERE schema = ?").get(schema) as { name: string } | null;
    return row?.name ?? "a newer Weft";
  } catch {
    return "a newer Weft";
  }
}

/** Where a database of an older schema stays as it was. */
export const backupName = (file: string, schema: number): string => `${file}.schema-${schema}`;

/**
 * Brings a database up to this program's schema, all steps in one transaction: whatever kills the process, it is as it
 * was or as it shall be. What was there is copied beside it first. Refuses a database from a newer program.
 */
export function migrate(
  db: Database,
  file: string,
  program: string,
  steps: readonly string[] = migrations,
): void {
  const version = versionOf(db);
  if (version === steps.length) return;
  if (version > steps.length)
    throw new Error(
      `${file} was written by ${programOf(db, version)}: its schema is version ${version}, this program knows up ` +
        `to ${steps.length}. Run that program, or choose another data directory.`,
    );
  if (version > 0) keepAsItWas(db, backupName(file, version));
  db.transaction(() => {
    for (const step of steps.slice(version)) db.run(step);
    db.query("INSERT INTO programs VALUES (?, ?)").run(steps.length, program);
    db.run(`PRAGMA user_version = ${steps.length}`);
  }).immediate();
}

/** A copy that a killed process left half-written is made anew: until the migration it is worth nothing. */
function keepAsItWas(db: Database, copy: string): void {
  if (existsSync(copy)) rmSync(copy);
  db.query("VACUUM INTO ?").run(copy);
  chmodSync(copy, 0o600);
}
