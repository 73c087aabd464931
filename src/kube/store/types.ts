/**
 * The store: an append-only log of revisions, in the manner of kine. A revision is a row id; every change of a key
 * is a row; a watch is "the rows after revision N". Values are opaque text.
 */

/** State of a key after a change. */
export interface Row {
  readonly revision: number;
  readonly key: string;
  /** Revision that made the key. */
  readonly created: number;
  /** The value; of a deletion the last one. */
  readonly value: string;
}

/** A row as a watch sees it. */
export interface Change extends Row {
  readonly type: "create" | "update" | "delete";
  /** Value before, of an update or a deletion. */
  readonly before: string | undefined;
}

/** One write. `expect`: the revision the key must stand at; 0 it must not exist; undefined whatever it is. */
export interface Write {
  readonly key: string;
  /** undefined deletes; without an `expect` a key that is not there is passed over. */
  readonly value: string | undefined;
  readonly expect: number | undefined;
}

/** Writes of one transaction: all of them or none. */
export type Outcome =
  | { readonly ok: true; readonly rows: readonly Row[] }
  /** The first write whose expectation failed, and how the key stands. */
  | {
      readonly ok: false;
      readonly reason: "conflict";
      readonly index: number;
      readonly current: Row | undefined;
    }
  /** Nothing was written. full: the disk has no room. busy: too many writes wait. failed: anything else. */
  | { readonly ok: false; readonly reason: "failed" | "full" | "busy"; readonly message: string };

export interface Page {
  /** The revision that the page shows. */
  readonly revision: number;
  readonly rows: readonly Row[];
  /** More keys follow the last one. */
  readonly more: boolean;
  /** Keys under the prefix in all, at this revision after `after`. */
  readonly remaining: number;
}

export interface ListOptions {
  /** Keys behind this one. */
  readonly after?: string;
  readonly limit?: number;
  /** Only values that hold this text. */
  readonly containing?: string;
  /** As of this revision; 0 or absent: now. */
  readonly revision?: number;
}

/** Asked for a revision that was compacted away, or one that is yet to come. */
export class RevisionError extends Error {
  override name = "RevisionError";
  readonly kind: "compacted" | "future";
  readonly current: number;
  constructor(kind: "compacted" | "future", current: number) {
    super(kind === "compacted" ? "the revision was compacted" : "the revision is yet to come");
    this.kind = kind;
    this.current = current;
  }
}

export interface Store {
  /** The last committed revision. */
  readonly revision: number;
  get(key: string): Promise<Row | undefined>;
  /** Live keys that start with `prefix`, in order of bytes. Rejects with RevisionError. */
  list(prefix: string, options?: ListOptions): Promise<Page>;
  /** Durable when it resolves. Never rejects for the sake of the data. */
  write(writes: readonly Write[]): Promise<Outcome>;
  /** Changes under the prefix after a revision, oldest first, at most `limit`. Rejects with RevisionError. */
  changes(prefix: string, after: number, limit: number): Promise<readonly Change[]>;
  /** Calls back after each commit, in order of revision, before the write's promise resolves. */
  watch(onChanges: (changes: readonly Change[]) => void): () => void;
  /** Forgets what was superseded up to a revision. */
  compact(revision: number): Promise<void>;
  /** Writes a consistent copy of the database to a file that does not exist. */
  backup(file: string): Promise<void>;
  close(): Promise<void>;
}
