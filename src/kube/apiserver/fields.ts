/** Values as sets of fields, by their schema: what can be owned piece by piece and what only whole. */
import type { Schema } from "../kinds/index.ts";
import type { FieldSet } from "./field-set.ts";

export type Json = Record<string, unknown>;
export const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** A piece of a value that can be owned by itself. */
export interface Piece {
  readonly segment: string;
  readonly schema: Schema | undefined;
  readonly value: unknown;
  /** It is there by its own right: an item of a list, an entry of a map. */
  readonly item: boolean;
}

/** The pieces of a value by their segments; undefined for what is owned whole. */
export function pieces(schema: Schema | undefined, value: unknown): Map<string, Piece> | undefined {
  if (Array.isArray(value)) return listPieces(schema, value);
  if (!isObject(value) || schema?.atomic) return undefined;
  const out = new Map<string, Piece>();
  for (const [name, field] of Object.entries(value)) {
    const known =
      schema?.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    const segment = `f:${name}`;
    out.set(segment, { segment, schema: known ?? schema?.additionalProperties, value: field, item: false });
  }
  return out;
}

function listPieces(schema: Schema | undefined, list: readonly unknown[]): Map<string, Piece> | undefined {
  if (schema?.listType !== "map" && schema?.listType !== "set") return undefined;
  const out = new Map<string, Piece>();
  for (const value of list) {
    const segment = schema.listType === "set" ? `v:${JSON.stringify(value)}` : keyOfItem(schema, value);
    if (segment !== undefined) out.set(segment, { segment, schema: schema.items, value, item: true });
  }
  return out;
}

/** `k:{"containerPort":80,"protocol":"TCP"}`; keys that are not said have their default. */
function keyOfItem(schema: Schema, value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  const keys: Json = {};
  for (const key of [...schema.listKeys!].sort()) {
    const said = value[key] ?? schema.items?.properties?.[key]?.default;
    if (said !== undefined) keys[key] = said;
  }
  return `k:${JSON.stringify(keys)}`;
}

/** All fields of a value. `maps`: maps are members themselves too, as updates (not applies) note it. */
export function fieldsOf(schema: Schema | undefined, value: unknown, maps: boolean): FieldSet {
  const inner = pieces(schema, value);
  const out: FieldSet = {};
  if (!inner || inner.size === 0) return out;
  for (const piece of inner.values()) {
    const set = fieldsOf(piece.schema, piece.value, maps);
    const parted = Object.keys(set).length > 0;
    const own = piece.item || (maps && piece.schema?.additionalProperties !== undefined);
    out[piece.segment] = parted && own ? { ".": {}, ...set } : set;
  }
  return out;
}

/** What changed or came, and what went, from one value to another. */
export function compare(
  schema: Schema | undefined,
  before: unknown,
  after: unknown,
): { readonly changed: FieldSet; readonly removed: FieldSet } {
  const changed: FieldSet = {};
  const removed: FieldSet = {};
  const [old, now] = [pieces(schema, before), pieces(schema, after)];
  for (const piece of now?.values() ?? []) {
    const was = old?.get(piece.segment);
    if (!was || was.value === undefined) {
      const set = fieldsOf(piece.schema, piece.value, true);
      const own = piece.item || piece.schema?.additionalProperties !== undefined;
      changed[piece.segment] = Object.keys(set).length > 0 && own ? { ".": {}, ...set } : set;
      continue;
    }
    const parted = (v: Piece): boolean => (pieces(v.schema, v.value)?.size ?? 0) > 0;
    if (parted(piece) && parted(was)) {
      const inner = compare(piece.schema, was.value, piece.value);
      if (Object.keys(inner.changed).length > 0) changed[piece.segment] = inner.changed;
      if (Object.keys(inner.removed).length > 0) removed[piece.segment] = inner.removed;
    } else if (!Bun.deepEquals(was.value, piece.value)) {
      changed[piece.segment] = fieldsOf(piece.schema, piece.value, true);
      for (const gone of pieces(was.schema, was.value)?.keys() ?? [])
        removed[piece.segment] = { ...removed[piece.segment], [gone]: {} };
    }
  }
  for (const piece of old?.values() ?? []) if (!now?.has(piece.segment)) removed[piece.segment] = {};
  return { changed, removed };
}

/** The value with what was applied laid over it: objects and keyed lists merge, the rest is replaced. */
export function mergeApplied(schema: Schema | undefined, live: unknown, applied: unknown): unknown {
  const [ours, theirs] = [pieces(schema, applied), pieces(schema, live)];
  if (!ours || !theirs) return applied;
  if (Array.isArray(applied)) {
    const out = [...theirs.values()].map((was) => {
      const now = ours.get(was.segment);
      return now ? mergeApplied(was.schema, was.value, now.value) : was.value;
    });
    for (const now of ours.values()) if (!theirs.has(now.segment)) out.push(now.value);
    return out;
  }
  const out: Json = { ...(live as Json) };
  for (const now of ours.values()) {
    const was = theirs.get(now.segment);
    const merged = was ? mergeApplied(now.schema, was.value, now.value) : now.value;
    Object.defineProperty(out, now.segment.slice(2), {
      value: merged,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return out;
}

/** The value without the members of a set; objects that this empties go too. */
export function withoutFields(schema: Schema | undefined, value: unknown, set: FieldSet): unknown {
  const all = pieces(schema, value);
  if (!all) return value;
  const kept: Piece[] = [];
  for (const piece of all.values()) {
    const gone = set[piece.segment];
    if (gone === undefined) kept.push(piece);
    else if (Object.keys(gone).length > 0 && !(piece.item && gone["."])) {
      const rest = withoutFields(piece.schema, piece.value, gone);
      const empty = rest !== null && typeof rest === "object" && Object.keys(rest).length === 0;
      if (!empty) kept.push({ ...piece, value: rest });
    }
  }
  if (Array.isArray(value)) return kept.map((p) => p.value);
  return Object.fromEntries(kept.map((p) => [p.segment.slice(2), p.value]));
}
