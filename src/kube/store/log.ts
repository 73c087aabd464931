/** The log on SQLite, synchronous. It runs in the store's Worker; tests may run it in place. */
import { Database, type Statement } from "bun:sqlite";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { COMPACT_SLICE, MAX_PAGE, MAX_TRANSACTION, MAX_VALUE_BYTES } from "./limits.ts";
import { heldError, noteOwner } from "./lock.ts";
import { migrate } from "./migrations.ts";
import {
  type Change,
  type ListOptions,
  type Outcome,
  type Page,
  RevisionError,
  type Row,
  type Write,
} from "./types.ts";

interface RawChange extends Row {
  readonly previous: number;
  readonly deleted: number;
  readonly before: string | null;
}

/** What one transaction did, and what watchers hear of it. */
export interface Committed {
  readonly outcome: Outcome;
  readonly changes: readonly Change[];
}

/** Behind every key that starts with the prefix; keys are ASCII. */
const end = (prefix: string): string => `${prefix}\u{10ffff}`;

export class Log {
  private readonly db: Database;
  private readonly statements: Readonly<Record<"get" | "insert" | "setLatest" | "dropLatest", Statement>>;
  private last: number;
  private compacted: number;

  /**
   * Opens or makes the database: folder 0700, file 0600. Throws where another process holds it. `program` is noted
   * with the schema that it makes.
   */
  constructor(file: string, program: string) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    chmodSync(dirname(file), 0o700);
    if (!existsSync(file)) closeSync(openSync(file, "a", 0o600));
    chmodSync(file, 0o600);
    this.db = open(file, program);
    this.statements = {
      get: this.db.query(
        "SELECT l.revision, l.key, l.created, l.value FROM latest t JOIN log l ON l.revision = t.revision WHERE t.key = ?",
      ),
      insert: this.db.query(
        "INSERT INTO log (key, created, previous, deleted, value) VALUES (?, ?, ?, ?, ?) RETURNING revision",
      ),
      setLatest: this.db.query(
        "INSERT INTO latest VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET revision = excluded.revision",
      ),
      dropLatest: this.db.query("DELETE FROM latest WHERE key = ?"),
    };
    this.compacted = (
      this.db.query("SELECT value FROM meta WHERE name = 'compacted'").get() as { value: number }
    ).value;
    const { seq } = (this.db.query("SELECT seq FROM sqlite_sequence WHERE name = 'log'").get() ?? {
      seq: 0,
    }) as {
      seq: number;
    };
    this.last = seq;
  }

  get revision(): number {
    return this.last;
  }

  get(key: string): Row | undefined {
    return (this.statements.get.get(key) as Row | null) ?? undefined;
  }

  list(prefix: string, options: ListOptions = {}): Page {
    const revision = options.revision || this.last;
    this.known(revision);
    const limit = Math.min(options.limit || MAX_PAGE, MAX_PAGE);
    const from = options.after ?? prefix;
    const rows = this.db.query(revision === this.last ? LIST_NOW : LIST_AT).all({
      from,
      end: end(prefix),
      revision,
      limit: limit + 1,
      inclusive: options.after === undefined ? 1 : 0,
      containing: options.containing ?? null,
    }) as Row[];
    const more = rows.length > limit;
    const page = more ? rows.slice(0, limit) : rows;
    return {
      revision,
      rows: page,
      more,
      remaining: more ? this.count(prefix, page.at(-1)!.key, revision) : 0,
    };
  }

  changes(prefix: string, after: number, limit: number): Change[] {
    if (after < this.compacted) throw new RevisionError("compacted", this.last);
    if (after > this.last) throw new RevisionError("future", this.last);
    const raw = this.db
      .query(
        `SELECT l.revision, l.key, l.created, l.previous, l.deleted, l.value, p.value AS before
           FROM log l LEFT JOIN log p ON p.revision = l.previous
          WHERE l.revision > ? AND l.key >= ? AND l.key < ? ORDER BY l.revision LIMIT ?`,
      )
      .all(after, prefix, end(prefix), limit) as RawChange[];
    return raw.map(({ previous, deleted, before, ...row }) => ({
      ...row,
      type: deleted ? "delete" : previous ? "update" : "create",
      before: deleted ? (before ?? row.value) : (before ?? undefined),
    }));
  }

  /** Commits several transactions with one fsync; one that fails leaves the others alone. */
  commit(batch: readonly (readonly Write[])[]): Committed[] {
    try {
      this.db.run("BEGIN IMMEDIATE");
    } catch (e) {
      return batch.map(() => failed(e));
    }
    const before = this.last;
    try {
      const done = batch.map((writes) => this.transaction(writes));
      this.db.run("COMMIT");
      return done;
    } catch (e) {
      if (this.db.inTransaction) this.db.run("ROLLBACK");
      this.last = before;
      return batch.map(() => failed(e));
    }
  }

  /**
   * Forgets what was superseded up to a revision, a slice at a time, so that writes wait for one slice at most. True:
   * call again. What is the latest at that revision stays, for lists there and as the "before" of later changes.
   */
  compact(revision: number): boolean {
    const target = Math.min(revision, this.last);
    if (target <= this.compacted) return false;
    const from = this.compacted;
    const to = Math.min(target, from + COMPACT_SLICE);
    this.db
      .transaction(() => {
        // Up to `from` only the latest are left: what goes now was superseded by a revision of this slice.
        this.db
          .query(
            `DELETE FROM log WHERE revision IN (
               SELECT previous FROM log WHERE revision > $from AND revision <= $to AND previous > 0)`,
          )
          .run({ from, to });
        this.db
          .query("DELETE FROM log WHERE deleted = 1 AND revision > $from AND revision <= $to")
          .run({ from, to });
        this.db.query("UPDATE meta SET value = ? WHERE name = 'compacted'").run(to);
      })
      .immediate();
    this.compacted = to;
    return to < target;
  }

  backup(file: string): void {
    this.db.query("VACUUM INTO ?").run(file);
    chmodSync(file, 0o600);
  }

  close(): void {
    this.db.close();
  }

  private known(revision: number): void {
    if (revision < this.compacted) throw new RevisionError("compacted", this.last);
    if (revision > this.last) throw new RevisionError("future", this.last);
  }

  private count(prefix: string, after: string, revision: number): number {
    const { n } = this.db
      .query(revision === this.last ? COUNT_NOW : COUNT_AT)
      .get({ from: after, end: end(prefix), revision }) as { n: number };
    return n;
  }

  private transaction(writes: readonly Write[]): Committed {
    const start = this.last;
    this.db.run("SAVEPOINT one");
    const undo = (): void => {
      this.db.run("ROLLBACK TO one");
      this.db.run("RELEASE one");
      this.last = start;
    };
    try {
      if (writes.length > MAX_TRANSACTION)
        throw new Error(`more than ${MAX_TRANSACTION} writes in one transaction`);
      const rows: Row[] = [];
      const changes: Change[] = [];
      for (const [index, write] of writes.entries()) {
        const current = this.get(write.key);
        if (write.value === undefined && write.expect === undefined && !current) continue;
        const met = write.expect === undefined || write.expect === (current?.revision ?? 0);
        if (!met || (write.value === undefined && !current)) {
          undo();
          return { outcome: { ok: false, reason: "conflict", index, current }, changes: [] };
        }
        const change = this.append(write, current);
        changes.push(change);
        rows.push({
          revision: change.revision,
          key: change.key,
          created: change.created,
          value: change.value,
        });
      }
      this.db.run("RELEASE one");
      return { outcome: { ok: true, rows }, changes };
    } catch (e) {
      // On a full disk SQLite may have rolled the whole batch back by itself.
      if (!this.db.inTransaction) throw e;
      undo();
      return failed(e);
    }
  }

  private append(write: Write, current: Row | undefined): Change {
    const value = write.value ?? current!.value;
    if (value.length > MAX_VALUE_BYTES) throw new Error(`a value of more than ${MAX_VALUE_BYTES} bytes`);
    const created = current?.created ?? this.last + 1;
    const deleted = write.value === undefined;
    const { revision } = this.statements.insert.get(
      write.key,
      created,
      current?.revision ?? 0,
      deleted ? 1 : 0,
      value,
    ) as { revision: number };
    if (deleted) this.statements.dropLatest.run(write.key);
    else this.statements.setLatest.run(write.key, revision);
    this.last = revision;
    const type = deleted ? "delete" : current ? "update" : "create";
    return {
      revision,
      key: write.key,
      created: current ? created : revision,
      value,
      type,
      before: current?.value,
    };
  }
}

const failed = (e: unknown): Committed => ({
  outcome: {
    ok: false,
    reason: (e as { code?: unknown } | null)?.code === "SQLITE_FULL" ? "full" : "failed",
    message: e instanceof Error ? e.message : String(e),
  },
  changes: [],
});

const BEHIND = "(t.key > $from OR ($inclusive = 1 AND t.key = $from)) AND t.key < $end";
const LIST_NOW = `SELECT l.revision, l.key, l.created, l.value FROM latest t JOIN log l ON l.revision = t.revision
  WHERE ${BEHIND} AND $revision > 0 AND ($containing IS NULL OR instr(l.value, $containing) > 0)
  ORDER BY t.key LIMIT $limit`;
const LIST_AT = `SELECT revision, key, created, value FROM (
    SELECT MAX(t.revision) AS revision, t.key, t.created, t.value, t.deleted FROM log t
     WHERE ${BEHIND} AND t.revision <= $revision GROUP BY t.key)
  WHERE deleted = 0 AND ($containing IS NULL OR instr(value, $containing) > 0) ORDER BY key LIMIT $limit`;
const COUNT_NOW = "SELECT COUNT(*) AS n FROM latest t WHERE t.key > $from AND t.key < $end AND $revision > 0";
const COUNT_AT = `SELECT COUNT(*) AS n FROM (SELECT MAX(t.revision), t.deleted AS deleted FROM log t
  WHERE t.key > $from AND t.key < $end AND t.revision <= $revision GROUP BY t.key) WHERE deleted = 0`;

/** The kernel's lock is taken here and held until the connection closes. */
function open(file: string, program: string): Database {
  const db = new Database(file, { readwrite: true, create: true, strict: true });
  try {
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = FULL");
    db.run("BEGIN EXCLUSIVE");
    db.run("COMMIT");
    noteOwner(file);
    migrate(db, file, program);
    return db;
  } catch (e) {
    db.close();
    if ((e as { code?: string }).code?.startsWith("SQLITE_BUSY")) throw heldError(file);
    throw e;
  }
}
