/**
 * Server-side apply: the object holds what its managers applied; what a manager no longer mentions goes away unless
 * somebody else owns it, and what another owns cannot be changed without force.
 */
import type { Schema } from "../kinds/index.ts";
import type { Doc } from "./document.ts";
import { eachCommon, type FieldSet, showPath, single, subtract, union } from "./field-set.ts";
import { compare, fieldsOf, type Json, mergeApplied, withoutFields } from "./fields.ts";
import { entriesOf, entry, type ManagerEntry, ownable, withEntries } from "./managed-fields.ts";
import { StatusError } from "./status.ts";

export interface ApplyOptions {
  readonly manager: string;
  readonly force: boolean;
  /** RFC 3339. */
  readonly time: string;
  readonly schema: Schema;
  /** Only the status is applied, and owned by an entry of its own; without it a status is passed over. */
  readonly subresource: string | undefined;
  /** The kind's status is written through its subresource. */
  readonly statusApart: boolean;
}

/** The object as it is after `applied` was applied to `current` (undefined: it does not exist yet). */
export function applyServerSide(current: Doc | undefined, applied: Doc, options: ApplyOptions): Doc {
  const { schema, manager, subresource, time } = options;
  const wanted = wantedOf(applied, options);
  const live = current ? ownable(current) : {};
  const entries = current ? entriesOf(current) : [];
  const mine = entries.find(
    (e) => e.operation === "Apply" && e.manager === manager && (e.subresource ?? "") === (subresource ?? ""),
  );
  const others = entries.filter((e) => e !== mine);
  const set = fieldsOf(schema, wanted, false);
  let merged = mergeApplied(schema, live, wanted) as Json;
  const changed = compare(schema, live, merged).changed;
  const conflicts = others.flatMap((owner) => conflictsWith(owner, intersect(changed, set)));
  if (conflicts.length > 0 && !options.force) throw conflictError(conflicts);
  if (mine) {
    const dropped = others.reduce((left, o) => subtract(left, o.fieldsV1), subtract(mine.fieldsV1, set));
    merged = withoutFields(schema, merged, dropped) as Json;
  }
  const lost = conflicts.reduce<FieldSet>((all, c) => union(all, single(c.path)), {});
  const { metadata = {}, ...rest } = merged as { metadata?: Json };
  const base = current ?? applied;
  const doc: Doc = {
    apiVersion: applied.apiVersion,
    kind: applied.kind,
    ...rest,
    metadata: { ...identity(base), ...metadata, name: base.metadata.name },
  };
  const same = mine && Bun.deepEquals(mine.fieldsV1, set);
  const own = entry(applied, { manager, subresource, time: same ? (mine.time ?? time) : time }, set, "Apply");
  const out = withEntries(doc, [...others.map((o) => ({ ...o, fieldsV1: subtract(o.fieldsV1, lost) })), own]);
  delete out.metadata.resourceVersion;
  if (applied.metadata.resourceVersion) out.metadata.resourceVersion = applied.metadata.resourceVersion;
  if (applied.metadata.uid) out.metadata.uid = applied.metadata.uid;
  return out;
}

/** What the manager has a say in. */
function wantedOf(applied: Doc, options: ApplyOptions): Json {
  const { status, ...rest } = ownable(applied);
  if (options.subresource === "status") return status === undefined ? {} : { status };
  return status === undefined || options.statusApart ? rest : { ...rest, status };
}

/** What nobody owns. */
const identity = (doc: Doc): Json => {
  const owned = (ownable(doc)["metadata"] ?? {}) as Json;
  return Object.fromEntries(
    Object.entries(doc.metadata).filter(([name]) => !Object.hasOwn(owned, name) && name !== "managedFields"),
  );
};

interface Conflict {
  readonly path: readonly string[];
  readonly owner: ManagerEntry;
}

function intersect(a: FieldSet, b: FieldSet): FieldSet {
  let out: FieldSet = {};
  eachCommon(a, b, (path) => {
    out = union(out, single(path));
  });
  return out;
}

function conflictsWith(owner: ManagerEntry, changed: FieldSet): Conflict[] {
  const found: Conflict[] = [];
  eachCommon(changed, owner.fieldsV1, (path) => found.push({ path, owner }));
  return found;
}

function describe(owner: ManagerEntry): string {
  const which = owner.subresource ? ` with subresource "${owner.subresource}"` : "";
  const how =
    owner.operation === "Update" ? ` using ${owner.apiVersion}${owner.time ? ` at ${owner.time}` : ""}` : "";
  return `"${owner.manager}"${which}${how}`;
}

function conflictError(conflicts: readonly Conflict[]): StatusError {
  const causes = conflicts.map((c) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${describe(c.owner)}`,
    field: showPath(c.path),
  }));
  const [first] = causes;
  let text = `${first!.message}: ${first!.field}`;
  if (causes.length > 1) {
    const owners = [...new Set(conflicts.map((c) => c.owner))];
    text = owners
      .flatMap((owner) => [
        `conflicts with ${describe(owner)}:`,
        ...conflicts.filter((c) => c.owner === owner).map((c) => `- ${showPath(c.path)}`),
      ])
      .join("\n");
  }
  const count = `${causes.length} conflict${causes.length > 1 ? "s" : ""}`;
  return new StatusError(409, "Conflict", `Apply failed with ${count}: ${text}`, { causes });
}
