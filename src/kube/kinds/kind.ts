/** What a kind is: one row of the tables behind discovery, storage, validation, OpenAPI, tables and clients. */
import type { ColumnDefinition } from "./columns.ts";
import type { NameRule } from "./meta.ts";
import type { Schema } from "./schema.ts";
import { shapeSchema } from "./shapes.ts";

/** Where a kind keeps what its scale subresource shows. Paths are dotted. */
export interface ScalePaths {
  readonly spec: string;
  readonly status: string;
  /** A label selector: text, or an object for the kinds of Kubernetes itself. */
  readonly selector?: string;
}

/** A kind of object. `schema` gives the fields beside apiVersion, kind and metadata. */
export interface Kind {
  /** "" is the core group. */
  readonly group: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Served versions, the preferred one first; one stored object is shown in each. */
  readonly versions: readonly string[];
  readonly storageVersion: string;
  readonly schema: (version?: string) => Promise<Schema>;
  readonly nameRule: NameRule;
  readonly statusSubresource: boolean;
  readonly scale?: ScalePaths;
  /** Subresources beside status and scale. */
  readonly subresources: readonly string[];
  /** metadata.generation counts changes of spec. */
  readonly generation: boolean;
  readonly categories: readonly string[];
  readonly columns: readonly ColumnDefinition[];
  /** Behaves as a custom resource: no strategic merge patch, no protobuf, null is dropped. */
  readonly custom: boolean;
  /** Defined by a user's CustomResourceDefinition; strict about nulls, and defaulted by its schema. */
  readonly defined: boolean;
  /** Fields for field selectors, beside metadata.name and metadata.namespace. */
  readonly selectable: readonly string[];
  /** What an author must know: the kind, or what of it, has no effect here. Undefined: it is obeyed. */
  readonly inert?: string;
  /** Another group that serves the same stored objects: its objects are kept under the kind named here. */
  readonly storedAs?: { readonly group: string; readonly plural: string };
  /** Where shapes/ describes it, per version, for protobuf bodies. */
  readonly shape?: (version: string) => readonly [file: string, name: string];
}

export type KindDraft = Pick<Kind, "group" | "kind" | "plural" | "versions" | "schema"> & Partial<Kind>;

/** Fills in what is usual. */
export function makeKind(draft: KindDraft): Kind {
  return {
    singular: draft.kind.toLowerCase(),
    listKind: `${draft.kind}List`,
    shortNames: [],
    namespaced: true,
    storageVersion: draft.versions[0]!,
    nameRule: "subdomain",
    statusSubresource: false,
    subresources: [],
    generation: false,
    categories: [],
    columns: [],
    custom: false,
    defined: false,
    selectable: [],
    ...draft,
  };
}

/** A kind of Kubernetes itself: its schema is in shapes/<group>-<version>.txt. */
export function builtIn(draft: Omit<KindDraft, "schema"> & { readonly schema?: Kind["schema"] }): Kind {
  const file = draft.group === "" ? "core" : draft.group.split(".")[0]!;
  const shape = (version: string) => [`${file}-${version}`, draft.kind] as const;
  return makeKind({
    shape,
    schema: (version = draft.versions[0]!) => Promise.resolve(body(shapeSchema(...shape(version)))),
    ...draft,
  });
}

const bodies = new WeakMap<Schema, Schema>();

/** The fields beside metadata. */
function body(schema: Schema): Schema {
  let out = bodies.get(schema);
  if (!out) {
    const { metadata: _, ...properties } = schema.properties!;
    out = { ...schema, properties };
    bodies.set(schema, out);
  }
  return out;
}
