/** Lists: whole or in pages of one revision, now or as they were. */
import type { Kind } from "../kinds/index.ts";
import { RevisionError, type Row, type Store } from "../store/index.ts";
import { type Doc, decodeRow, prefixOf } from "./document.ts";
import { LIST_READ } from "./limits.ts";
import type { Target } from "./prepare.ts";
import type { Predicate } from "./selector.ts";
import { badRequest, StatusError, tooNew } from "./status.ts";

export interface ListQuery {
  readonly predicate: Predicate | undefined;
  /** 0: all. */
  readonly limit: number;
  readonly token: string | null;
  /** "" or "0": now. */
  readonly resourceVersion: string;
  readonly exact: boolean;
}

export interface ListResult {
  readonly items: Doc[];
  readonly resourceVersion: string;
  readonly token?: string;
  readonly remaining?: number;
}

interface Start {
  /** 0: now. */
  readonly revision: number;
  readonly after?: string;
}

/** One page of a list, filled up to its limit also where a selector passes few. Throws 410 for what was compacted. */
export async function listObjects(
  store: Store,
  target: Omit<Target, "name">,
  query: ListQuery,
): Promise<ListResult> {
  const prefix = prefixOf(target.kind, target.namespace);
  const start: Start = query.token
    ? parseToken(query.token, prefix)
    : { revision: query.exact ? Number(query.resourceVersion) : 0 };
  if (!query.exact && Number(query.resourceVersion || 0) > store.revision)
    throw tooNew(Number(query.resourceVersion), store.revision);
  try {
    return await read(store, target, query, prefix, start);
  } catch (e) {
    if (!(e instanceof RevisionError)) throw e;
    if (e.kind === "future") throw tooNew(start.revision, e.current);
    throw query.token ? expired(start.after!) : gone();
  }
}

async function read(
  store: Store,
  target: Omit<Target, "name">,
  query: ListQuery,
  prefix: string,
  start: Start,
): Promise<ListResult> {
  const items: Doc[] = [];
  let { revision, after } = start;
  for (;;) {
    const limit = query.predicate || query.limit === 0 ? LIST_READ : query.limit;
    const page = await store.list(prefix, { ...(after !== undefined && { after }), limit, revision });
    revision = page.revision;
    const more = take(items, page.rows, target.kind, target.version, query);
    after = (more ?? page.rows.at(-1))?.key ?? after;
    const full = more !== undefined || (page.more && query.limit > 0 && items.length >= query.limit);
    if (full || !page.more) {
      return {
        items,
        resourceVersion: String(revision),
        ...(full && { token: makeToken(revision, after!) }),
        ...(full && !query.predicate && { remaining: page.remaining }),
      };
    }
  }
}

/** Takes rows until the limit; the row after which more of the page is left. */
function take(
  items: Doc[],
  rows: readonly Row[],
  kind: Kind,
  version: string,
  query: ListQuery,
): Row | undefined {
  for (const [i, row] of rows.entries()) {
    const doc = decodeRow(kind, version, row);
    if (query.predicate && !query.predicate(doc)) continue;
    items.push(doc);
    if (query.limit > 0 && items.length >= query.limit) return i < rows.length - 1 ? row : undefined;
  }
  return undefined;
}

const makeToken = (revision: number, key: string): string =>
  Buffer.from(JSON.stringify({ v: 1, revision, key })).toString("base64url");

/** A revision of -1 means: go on with what is now. */
function parseToken(token: string, prefix: string): { revision: number; after: string } {
  const bytes = Buffer.from(token, "base64url");
  try {
    const { v, revision, key } = JSON.parse(bytes.toString()) as Record<string, unknown>;
    if (v === 1 && Number.isSafeInteger(revision) && typeof key === "string" && key.startsWith(prefix)) {
      return { revision: Math.max(0, revision as number), after: key };
    }
  } catch {
    // Falls through: a token that this server did not make.
  }
  const [first = 0] = bytes;
  const shown =
    first > 0x20 && first < 0x7f ? String.fromCharCode(first) : `\\u00${first.toString(16).padStart(2, "0")}`;
  const why = `invalid character '${shown}' looking for beginning of value`;
  throw badRequest(`invalid continue token: continue key is not valid: ${why}`);
}

const gone = (): StatusError =>
  new StatusError(410, "Expired", "The resourceVersion for the provided list is too old.");

/** The rest can still be had, but not of the same revision: the answer carries a token for that. */
function expired(after: string): StatusError {
  return new StatusError(
    410,
    "Expired",
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list: what was made, changed or deleted meanwhile may show.",
    undefined,
    { continue: makeToken(-1, after) },
  );
}
