/** `kubectl get` asks for tables; and metadata-only answers. */
import type { Kind } from "../kinds/index.ts";
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

/** A Table of the objects; `now` in milliseconds since the epoch gives the ages. */
export function tableOf(
  kind: Kind,
  docs: readonly Doc[],
  options: { now: number; include: IncludeObject; listMeta?: Readonly<Record<string, unknown>> },
): unknown {
  const event = kind.kind === "Event";
  const columnDefinitions = [
    ...(event
      ? []
      : [{ name: "Name", type: "string", format: "name", description: "Name of the object.", priority: 0 }]),
    ...kind.columns.map((c) => ({
      name: c.name,
      type: c.type === "integer" ? "integer" : "string",
      format: "",
      description: c.description,
      priority: c.wide ? 1 : 0,
    })),
    ...(event
      ? []
      : [{ name: "Age", type: "string", format: "", description: "Time since it was made.", priority: 0 }]),
  ];
  const rows = docs.map((doc) => ({
    cells: [
      ...(event ? [] : [doc.metadata.name]),
      ...kind.columns.map((c) => {
        const value = c.value(asObject(doc));
        return c.type === "date" ? age(value as string | undefined, options.now) : (value ?? "");
      }),
      ...(event ? [] : [age(doc.metadata.creationTimestamp, options.now)]),
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

function age(time: string | undefined, now: number): string {
  const at = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(at) ? "<unknown>" : humanDuration(now - at);
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
