/** PATCH: which document a patch makes of an object. */
import { objectSchema } from "../kinds/index.ts";
import { applyServerSide } from "./apply.ts";
import { decodeBody, mediaType, readBytes } from "./body.ts";
import type { Doc } from "./document.ts";
import { applyJsonPatch, applyMergePatch } from "./json-patch.ts";
import { identify, type Target, type WriteOptions } from "./prepare.ts";
import type { Registry } from "./registry.ts";
import { badRequest, invalid, StatusError, unsupportedMedia } from "./status.ts";
import { applyStrategicPatch } from "./strategic-patch.ts";

export interface PatchOptions extends WriteOptions {
  readonly force: boolean;
  /** RFC 3339. */
  readonly time: string;
  /** The request names its fieldManager; an apply must. */
  readonly managerSaid: boolean;
}

/** Serves PATCH. Returns the object, and whether it was made (server-side apply only). */
export async function patchObject(
  registry: Registry,
  target: Target,
  request: Request,
  options: PatchOptions,
  subresource: string | undefined,
): Promise<{ doc: Doc; created: boolean }> {
  if (mediaType(request) === APPLY) {
    const { value } = decodeBody(await readBytes(request), "application/yaml");
    return serverSide(registry, target, value, options, subresource);
  }
  const { change, duplicates } = await readPatch(request, target);
  return {
    doc: await registry.change(target, change, { ...options, duplicates }, subresource),
    created: false,
  };
}

const APPLY = "application/apply-patch+yaml";

/** The change that the body of a PATCH asks for. A patch that says nothing of the resourceVersion is unconditional. */
export async function readPatch(
  request: Request,
  target: Target,
): Promise<{ change: (current: Doc) => Promise<unknown>; duplicates: readonly string[] }> {
  const type = mediaType(request);
  const bytes = await readBytes(request);
  const apply = patchers[type];
  const { custom } = target.kind;
  if (!apply || (custom && type.includes("strategic"))) {
    const types = Object.keys(patchers).filter((t) => !custom || !t.includes("strategic"));
    throw unsupportedMedia(
      `the body of the request was in an unknown format - accepted media types include: ${[...types, APPLY].join(", ")}`,
    );
  }
  const { value, duplicates } = decodeBody(bytes, "application/json");
  const change = async (current: Doc): Promise<unknown> => {
    const next = await apply(current, value, target);
    const said = (value as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion;
    if (type !== "application/json-patch+json" && said === undefined) {
      const meta = (next as Doc).metadata;
      if (meta) delete meta.resourceVersion;
    } else if (type === "application/json-patch+json") keepIfChanged(next as Doc, current);
    return next;
  };
  return { change, duplicates };
}

/** A JSON patch that replaced the resourceVersion means it as a condition; an untouched one is none. */
function keepIfChanged(next: Doc, current: Doc): void {
  const meta = next?.metadata;
  if (meta && meta.resourceVersion === current.metadata.resourceVersion) delete meta.resourceVersion;
}

const patchers: Readonly<Record<string, (current: Doc, patch: unknown, target: Target) => unknown>> = {
  "application/json-patch+json": (current, patch) => applyJsonPatch(current, patch),
  "application/merge-patch+json": (current, patch) => {
    if (patch === null || typeof patch !== "object" || Array.isArray(patch))
      throw badRequest(
        `error decoding patch: json: cannot unmarshal ${Array.isArray(patch) ? "array" : typeof patch} into Go value of type map[string]interface {}`,
      );
    return applyMergePatch(current, patch);
  },
  "application/strategic-merge-patch+json": async (current, patch, { kind, version }) =>
    applyStrategicPatch(current, patch, await objectSchema(kind, version)),
};

async function serverSide(
  registry: Registry,
  target: Target,
  body: unknown,
  options: PatchOptions,
  subresource: string | undefined,
): Promise<{ doc: Doc; created: boolean }> {
  const { kind, version } = target;
  if (!options.managerSaid)
    throw invalid({ group: "meta.k8s.io", plural: "patchoptions", kind: "PatchOptions" }, "", [
      {
        field: "fieldManager",
        message: "Required value: is required for apply patch",
        reason: "FieldValueRequired",
      },
    ]);
  const applied = identify(target, body);
  if (applied.metadata.managedFields?.length) throw badRequest("metadata.managedFields must be nil");
  const how = {
    manager: options.fieldManager,
    force: options.force,
    time: options.time,
    schema: await objectSchema(kind, version),
    subresource,
    statusApart: kind.statusSubresource,
  };
  const write = { ...options, operation: "Apply" } as const;
  const change = (current: Doc): Doc => applyServerSide(current, applied, how);
  try {
    return { doc: await registry.change(target, change, write, subresource), created: false };
  } catch (e) {
    const missing = e instanceof StatusError && e.code === 404 && e.details?.name === target.name;
    if (!missing || subresource !== undefined || applied.metadata.uid) throw e;
  }
  try {
    const doc = await registry.create(target, applyServerSide(undefined, applied, how), write);
    return { doc, created: true };
  } catch (e) {
    if (!(e instanceof StatusError && e.reason === "AlreadyExists")) throw e;
    return { doc: await registry.change(target, change, write, subresource), created: false };
  }
}
