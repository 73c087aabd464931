/** metadata.managedFields: who set which field, kept with every write. */
import type { Schema } from "../kinds/index.ts";
import type { Doc } from "./document.ts";
import { type FieldSet, isNothing, subtract, union } from "./field-set.ts";
import { compare, fieldsOf, type Json } from "./fields.ts";
import { MAX_UPDATE_MANAGERS } from "./limits.ts";

export interface ManagerEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly time?: string;
  readonly fieldsType: "FieldsV1";
  readonly fieldsV1: FieldSet;
  readonly subresource?: string;
}

/** Who writes, and when (RFC 3339). */
export interface Writer {
  readonly manager: string;
  readonly time: string;
  readonly subresource?: string | undefined;
}

/** Identity, and what only the server writes, has no owner. */
const unowned: ReadonlySet<string> = new Set([
  ..."name namespace uid resourceVersion generation selfLink managedFields".split(" "),
  ..."creationTimestamp deletionTimestamp deletionGracePeriodSeconds".split(" "),
]);

/** The part of an object that can be owned. */
export function ownable(doc: Doc): Json {
  const { apiVersion: _a, kind: _k, metadata, ...rest } = doc;
  const kept = Object.entries(metadata).filter(([name, value]) => !unowned.has(name) && value !== undefined);
  return { ...rest, ...(kept.length > 0 && { metadata: Object.fromEntries(kept) }) };
}

/** Entries of an object; times in seconds, also where a client wrote them with more digits. */
export const entriesOf = (doc: Doc): ManagerEntry[] =>
  rawEntries(doc).map((e) => (e.time?.includes(".") ? { ...e, time: e.time.replace(/\.\d+Z$/, "Z") } : e));

const rawEntries = (doc: Doc): ManagerEntry[] =>
  ((doc.metadata.managedFields ?? []) as unknown as Partial<ManagerEntry>[]).filter(
    (e): e is ManagerEntry =>
      typeof e?.manager === "string" && typeof e.fieldsV1 === "object" && e.fieldsV1 !== null,
  );

/** The object with its entries, in Kubernetes' order; without the field where there are none. */
export function withEntries(doc: Doc, entries: readonly ManagerEntry[]): Doc {
  const kept = entries.filter((e) => !isNothing(e.fieldsV1)).sort(order);
  const { managedFields: _, ...metadata } = doc.metadata;
  return {
    ...doc,
    metadata: kept.length > 0 ? { ...metadata, managedFields: kept as unknown as Json[] } : metadata,
  };
}

const order = (a: ManagerEntry, b: ManagerEntry): number =>
  compareText(a.operation, b.operation) ||
  compareText(a.time ?? "", b.time ?? "") ||
  compareText(a.manager, b.manager) ||
  compareText(a.subresource ?? "", b.subresource ?? "");
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Notes that a writer made the object as it is. */
export function trackCreate(schema: Schema, doc: Doc, writer: Writer): Doc {
  return withEntries(doc, [entry(doc, writer, fieldsOf(schema, ownable(doc), true))]);
}

/**
 * Notes what a writer changed: it owns what it set, and others lose that; what went away nobody owns. Entries that
 * the body brings along count, so that owners can be taken over or forgotten by hand.
 */
export function trackUpdate(schema: Schema, old: Doc, doc: Doc, writer: Writer): Doc {
  const { changed, removed } = compare(schema, ownable(old), ownable(doc));
  const given = Array.isArray(doc.metadata.managedFields) ? doc : old;
  const before = entriesOf(given);
  if (isNothing(changed) && isNothing(removed)) return withEntries(doc, before);
  const mine = before.find((e) => isMine(e, doc, writer));
  const own = subtract(union(mine?.fieldsV1 ?? {}, changed), removed, true);
  const others = before
    .filter((e) => e !== mine)
    .map((e) => ({
      ...e,
      fieldsV1: subtract(subtract(e.fieldsV1, changed), removed, true),
    }));
  return withEntries(doc, capped([...others, entry(doc, writer, own)]));
}

const isMine = (e: ManagerEntry, doc: Doc, writer: Writer): boolean =>
  e.operation === "Update" &&
  e.manager === writer.manager &&
  e.apiVersion === doc.apiVersion &&
  (e.subresource ?? "") === (writer.subresource ?? "");

export const entry = (
  doc: Doc,
  writer: Writer,
  fieldsV1: FieldSet,
  operation: "Apply" | "Update" = "Update",
): ManagerEntry => ({
  apiVersion: doc.apiVersion,
  fieldsType: "FieldsV1",
  fieldsV1,
  manager: writer.manager,
  operation,
  time: writer.time,
  ...(writer.subresource && { subresource: writer.subresource }),
});

/** Many updaters would grow an object without end: the oldest share one entry. */
function capped(entries: readonly ManagerEntry[]): ManagerEntry[] {
  const updates = entries.filter((e) => e.operation === "Update").sort(order);
  const excess = updates.length - MAX_UPDATE_MANAGERS;
  if (excess <= 0) return [...entries];
  const old = updates.slice(0, excess + 1);
  const merged: ManagerEntry = {
    ...old.at(-1)!,
    manager: "ancient-changes",
    fieldsV1: old.reduce<FieldSet>((set, e) => union(set, e.fieldsV1), {}),
  };
  return [...entries.filter((e) => !old.includes(e)), merged];
}
