/**
 * Server-side apply: the object holds what its managers applied; what a manager no longer mentions goes away, what
 * two managers want differently is a conflict. Lists are one field here, as custom resources have them by default.
 * Only applied fields are tracked: other writes own nothing.
 */
import type { Doc } from "./document.ts";
import { put } from "./json-patch.ts";
import { StatusError } from "./status.ts";

type Json = Record<string, unknown>;
interface Entry {
  manager: string;
  operation: string;
  apiVersion: string;
  time: string;
  fieldsType: "FieldsV1";
  fieldsV1: Json;
}

const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === "object" && !Array.isArray(value);

export interface ApplyOptions {
  readonly manager: string;
  readonly force: boolean;
  /** RFC 3339. */
  readonly time: string;
}

/** The object as it is after `applied` was applied to `current` (undefined: it does not exist yet). */
export function applyServerSide(current: Doc | undefined, applied: Doc, options: ApplyOptions): Doc {
  const base = current ?? {
    apiVersion: applied.apiVersion,
    kind: applied.kind,
    metadata: { ...applied.metadata },
  };
  const entries = ((base.metadata.managedFields ?? []) as unknown as Entry[]).filter(
    (e) => e.operation === "Apply",
  );
  const own = entries.find((e) => e.manager === options.manager);
  const others = entries.filter((e) => e !== own);
  const fields = fieldsOf(identityFree(applied));
  const conflicts = current ? conflictsOf(current, applied, fields, others) : [];
  if (conflicts.length > 0 && !options.force) throw conflictError(conflicts);
  let result = structuredClone(base) as unknown as Json;
  if (own) result = drop(result, own.fieldsV1, [fields, ...others.map((o) => o.fieldsV1)]);
  result = merge(result, identityFree(applied));
  const doc = result as unknown as Doc;
  const kept = others.map((o) => ({
    ...o,
    fieldsV1: subtract(
      o.fieldsV1,
      conflicts.map((c) => c.path),
    ),
  }));
  const mine: Entry = {
    manager: options.manager,
    operation: "Apply",
    apiVersion: applied.apiVersion,
    time: own && Bun.deepEquals(own.fieldsV1, fields) ? own.time : options.time,
    fieldsType: "FieldsV1",
    fieldsV1: fields,
  };
  doc.metadata = { ...doc.metadata, managedFields: [...kept, mine] as unknown as Record<string, unknown>[] };
  delete doc.metadata.resourceVersion;
  if (applied.metadata.resourceVersion) doc.metadata.resourceVersion = applied.metadata.resourceVersion;
  return doc;
}

/** What can be owned: not the object's identity, nor what the server keeps. */
function identityFree(applied: Doc): Json {
  const { apiVersion: _a, kind: _k, metadata, ...rest } = applied;
  const { labels, annotations, finalizers } = metadata;
  const kept = {
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(finalizers && { finalizers }),
  };
  return { ...rest, ...(Object.keys(kept).length > 0 && { metadata: kept }) };
}

function fieldsOf(value: Json): Json {
  const out: Json = {};
  for (const [key, field] of Object.entries(value)) out[`f:${key}`] = isObject(field) ? fieldsOf(field) : {};
  return out;
}

interface Conflict {
  readonly path: readonly string[];
  readonly manager: string;
}

function conflictsOf(current: Doc, applied: Doc, fields: Json, others: readonly Entry[]): Conflict[] {
  const found: Conflict[] = [];
  const walk = (mine: Json, path: string[]): void => {
    const names = Object.keys(mine);
    if (names.length > 0) {
      for (const name of names) walk(mine[name] as Json, [...path, name]);
      return;
    }
    const keys = path.map((p) => p.slice(2));
    if (Bun.deepEquals(at(current, keys), at(applied, keys))) return;
    const owner = others.find((o) => owns(o.fieldsV1, path));
    if (owner) found.push({ path, manager: owner.manager });
  };
  walk(fields, []);
  return found;
}

const at = (value: unknown, keys: readonly string[]): unknown =>
  keys.reduce<unknown>((v, k) => (isObject(v) && Object.hasOwn(v, k) ? v[k] : undefined), value);
const owns = (fields: Json, path: readonly string[]): boolean => at(fields, path) !== undefined;

function conflictError(conflicts: readonly Conflict[]): StatusError {
  const causes = conflicts.map((c) => ({
    reason: "FieldManagerConflict",
    message: `conflict with "${c.manager}"`,
    field: c.path.map((p) => `.${p.slice(2)}`).join(""),
  }));
  const list = causes.map((c) => `${c.message}: ${c.field}`).join(", ");
  return new StatusError(
    409,
    "Conflict",
    `Apply failed with ${causes.length} conflict${causes.length > 1 ? "s" : ""}: ${list}`,
    { causes },
  );
}

/** Removes the fields of `old` that nobody in `keep` has. */
function drop(value: Json, old: Json, keep: readonly Json[]): Json {
  const out: Json = { ...value };
  for (const [name, inner] of Object.entries(old)) {
    const key = name.slice(2);
    if (!Object.hasOwn(out, key)) continue;
    const kept = keep.map((k) => k[name]).filter(isObject);
    const field = out[key];
    if (isObject(field) && isObject(inner) && Object.keys(inner).length > 0) {
      const rest = drop(field, inner, kept);
      if (kept.length === 0 && Object.keys(rest).length === 0) delete out[key];
      else out[key] = rest;
    } else if (kept.length === 0) delete out[key];
  }
  return out;
}

function merge(value: Json, applied: Json): Json {
  const out: Json = { ...value };
  for (const [key, field] of Object.entries(applied)) {
    const before = Object.hasOwn(out, key) ? out[key] : undefined;
    put(out, key, isObject(field) ? merge(isObject(before) ? before : {}, field) : field);
  }
  return out;
}

function subtract(fields: Json, paths: readonly (readonly string[])[]): Json {
  const out = structuredClone(fields);
  for (const path of paths) {
    const parent = at(out, path.slice(0, -1));
    if (isObject(parent)) delete parent[path.at(-1)!];
  }
  return out;
}
