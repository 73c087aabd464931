/** Numbered migrations; `user_version` says how many of them a database has seen. */
import type { Database } from "bun:sqlite";

const migrations: readonly string[] = [
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
];

export const SCHEMA_VERSION = migrations.length;

/** Brings a database up to this program's schema; refuses one from a newer program. */
export function migrate(db: Database, file: string): void {
  const { user_version: version } = db.query("PRAGMA user_version").get() as { user_version: number };
  if (version > SCHEMA_VERSION) {
    throw new Error(
      `${file} was written by a newer Weft: its schema is version ${version}, this program knows up to ` +
        `${SCHEMA_VERSION}. Run that newer Weft, or choose another data directory.`,
    );
  }
  for (let next = version; next < SCHEMA_VERSION; next++) {
    db.transaction(() => {
      db.run(migrations[next]!);
      db.run(`PRAGMA user_version = ${next + 1}`);
    }).immediate();
  }
}
