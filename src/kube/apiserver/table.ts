/** `kubectl get` asks for tables; and metadata-only answers. */
import type { ColumnDefinition, Kind } from "../kinds/index.ts";
import { asObject, type Doc } from "./document.ts";

export type View = "object" | "table" | "metadata";
export type IncludeObject = "None" | "Metadata" | "Object";

/** What the Accept header asks for: the first form that we have. */
export function viewOf(accept: string | null): View {
  for (const entry of (accept ?? "").split(",")) {
    const params = new Set(
      entry
        .split(";")
        .slice(1)
        .map((p) => p.trim()),
    );
    if (!params.has("g=meta.k8s.io")) {
      if (/^\s*(?:application\/json|\*\/\*)/.test(entry)) return "object";
      continue;
    }
    if (!entry.trim().startsWith("application/json") || !params.has("v=v1")) continue;
    if (params.has("as=Table")) return "table";
    if (params.has("as=PartialObjectMetadata") || params.has("as=PartialObjectMetadataList"))
      return "metadata";
  }
  return "object";
}

export const partialMetadata = (doc: Doc): unknown => ({
  kind: "PartialObjectMetadata",
  apiVersion: "meta.k8s.io/v1",
  metadata: doc.metadata,
});

/** Kinds whose tables show no age: Events say when they were last seen, others when they were made. */
const ageless = (kind: Kind): boolean =>
  kind.columns.some((c) => /^(?:Age|Created At|Last Seen)$/.test(c.name));

/** NAME, the kind's columns, AGE, and last what only `-o wide` shows. A user's definition says all of it itself. */
function columnsOf(kind: Kind): readonly ColumnDefinition[] {
  if (kind.defined && kind.columns.length > 0) return kind.columns;
  if (ageless(kind)) return kind.columns;
  return [...kind.columns.filter((c) => !c.wide), ageColumn, ...kind.columns.filter((c) => c.wide)];
}

const ageColumn: ColumnDefinition = {
  name: "Age",
  type: "date",
  description: "Time since it was made.",
  value: (object) => object.metadata.creationTimestamp,
};

/** A Table of the objects; `now` in milliseconds since the epoch gives the ages. */
export function tableOf(
  kind: Kind,
  docs: readonly Doc[],
  options: { now: number; include: IncludeObject; listMeta?: Readonly<Record<string, unknown>> },
): unknown {
  // Events have no name worth showing.
  const named = kind.kind !== "Event" || kind.custom;
  const columns = columnsOf(kind);
  const columnDefinitions = [
    ...(named
      ? [{ name: "Name", type: "string", format: "name", description: "Name of the object.", priority: 0 }]
      : []),
    ...columns.map((c) => ({
      name: c.name,
      type: c.type === "date" && !kind.custom ? "string" : c.type,
      format: c.format ?? "",
      description: c.description,
      priority: c.wide ? 1 : 0,
    })),
  ];
  const rows = docs.map((doc) => ({
    cells: [
      ...(named ? [doc.metadata.name] : []),
      ...columns.map((c) => {
        const value = c.value(asObject(doc));
        return c.type === "date"
          ? age(value as string | undefined, options.now, c.none)
          : (value ?? empty(kind));
      }),
    ],
    ...(options.include === "Object" && { object: doc }),
    ...(options.include === "Metadata" && { object: partialMetadata(doc) }),
  }));
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: options.listMeta ?? {},
    columnDefinitions,
    rows,
  };
}

const empty = (kind: Kind): string | null => (kind.custom ? null : "");

function age(time: string | undefined, now: number, none = "<unknown>"): string {
  const at = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(at) ? none : humanDuration(now - at);
}

/** As kubectl shows it: 45s, 3m12s, 5h, 3d4h, 2y10d. */
export function humanDuration(ms: number): string {
  const s = Math.floor(ms / 1000);
  if (s < 0) return s < -1 ? "<invalid>" : "0s";
  const both = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`;
  if (s < 120) return `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 10) return both(m, "m", s % 60, "s");
  if (m < 180) return `${m}m`;
  const h = Math.floor(m / 60);
  if (h < 8) return both(h, "h", m % 60, "m");
  if (h < 48) return `${h}h`;
  const d = Math.floor(h / 24);
  if (h < 192) return both(d, "d", h % 24, "h");
  if (d < 730) return `${d}d`;
  const y = Math.floor(d / 365);
  return d < 8 * 365 ? both(y, "y", d % 365, "d") : `${y}y`;
}
