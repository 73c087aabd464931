/**
 * Strategic merge patch: like a merge patch, but lists merge by the key that the schema names, and directives
 * (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x`) steer it. kubectl apply uses it
 * for core kinds.
 */
import type { Schema } from "../kinds/index.ts";
import { put } from "./json-patch.ts";
import { badRequest } from "./status.ts";

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const ORDER = "$setElementOrder/";
const DELETE = "$deleteFromPrimitiveList/";

/** A new document; the input is left as it is. */
export function applyStrategicPatch(document: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (!isObject(patch)) throw badRequest("a strategic merge patch is an object");
  return mergeObject(isObject(document) ? document : {}, patch, schema);
}

function mergeObject(document: Json, patch: Json, schema: Schema | undefined): Json {
  if (patch["$patch"] === "replace") {
    const { $patch: _, ...rest } = patch;
    return rest;
  }
  if (patch["$patch"] === "delete") return {};
  const out: Json = { ...document };
  const retain = patch["$retainKeys"];
  if (Array.isArray(retain)) for (const key of Object.keys(out)) if (!retain.includes(key)) delete out[key];
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    const of = schema?.properties?.[key] ?? schema?.additionalProperties;
    if (value === null) delete out[key];
    else put(out, key, mergeValue(Object.hasOwn(out, key) ? out[key] : undefined, value, of));
  }
  for (const [key, value] of Object.entries(patch)) {
    if (!Array.isArray(value)) continue;
    if (key.startsWith(DELETE)) {
      const field = key.slice(DELETE.length);
      if (Array.isArray(out[field])) out[field] = out[field].filter((item) => !value.includes(item));
    } else if (key.startsWith(ORDER)) {
      const field = key.slice(ORDER.length);
      const mergeKey = schema?.properties?.[field]?.mergeKey;
      if (Array.isArray(out[field])) out[field] = reorder(out[field], value, document[field], mergeKey);
    }
  }
  return out;
}

function mergeValue(document: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (isObject(patch)) return mergeObject(isObject(document) ? document : {}, patch, schema);
  if (!Array.isArray(patch)) return patch;
  if (schema?.mergeSet) {
    const before = Array.isArray(document) ? document : [];
    return reorder([...before, ...patch.filter((item) => !before.includes(item))], patch, before, undefined);
  }
  if (!schema?.mergeKey) return patch;
  return mergeList(Array.isArray(document) ? document : [], patch, schema);
}

function mergeList(document: readonly unknown[], patch: readonly unknown[], schema: Schema): unknown[] {
  const key = schema.mergeKey!;
  const entries = patch.filter((item) => !(isObject(item) && item["$patch"] === "replace" && !(key in item)));
  let out = entries.length === patch.length ? [...document] : [];
  for (const item of entries) {
    if (!isObject(item)) throw badRequest(`an entry of a list that merges by "${key}" is not an object`);
    if (item[key] === undefined)
      throw badRequest(
        `map: ${JSON.stringify(item).slice(0, 200)} does not contain declared merge key: ${key}`,
      );
    const same = (other: unknown): boolean => isObject(other) && other[key] === item[key];
    if (item["$patch"] === "delete") {
      out = out.filter((other) => !same(other));
      continue;
    }
    const at = out.findIndex(same);
    if (at < 0) out.push(mergeObject({}, item, schema.items));
    else out[at] = mergeObject(out[at] as Json, item, schema.items);
  }
  return reorder(
    out,
    entries.filter((item) => !(item as Json)["$patch"]),
    document,
    key,
  );
}

/**
 * Kubernetes' order: what the patch names comes in the patch's order, the others in the order that they had; where
 * both were there before, what stood in front stays in front, and else the patch's go first.
 */
function reorder(
  list: readonly unknown[],
  order: readonly unknown[],
  before: unknown,
  mergeKey: string | undefined,
): unknown[] {
  const idOf = (item: unknown): unknown => (mergeKey && isObject(item) ? item[mergeKey] : item);
  const ranks = (items: unknown): ReadonlyMap<unknown, number> =>
    new Map(Array.isArray(items) ? items.map((item, i) => [idOf(item), i]) : []);
  const [asked, had] = [ranks(order), ranks(before)];
  const sorted = (items: unknown[], by: ReadonlyMap<unknown, number>): unknown[] =>
    items.sort((a, b) => (by.get(idOf(a)) ?? by.size) - (by.get(idOf(b)) ?? by.size));
  const named = sorted(
    list.filter((item) => asked.has(idOf(item))),
    asked,
  );
  const others = sorted(
    list.filter((item) => !asked.has(idOf(item))),
    had,
  );
  const place = (item: unknown): number => had.get(idOf(item)) ?? -1;
  const out: unknown[] = [];
  let next = 0;
  for (const other of others) {
    while (next < named.length && !(place(other) >= 0 && place(other) < place(named[next])))
      out.push(named[next++]);
    out.push(other);
  }
  return [...out, ...named.slice(next)];
}
