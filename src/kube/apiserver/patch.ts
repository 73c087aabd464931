/** PATCH: which document a patch makes of an object. */
import { objectSchema } from "../kinds/index.ts";
import { applyServerSide } from "./apply.ts";
import { decodeBody, mediaType, readBytes } from "./body.ts";
import type { Doc } from "./document.ts";
import { applyJsonPatch, applyMergePatch } from "./json-patch.ts";
import { identify, type Target, type WriteOptions } from "./prepare.ts";
import type { Registry } from "./registry.ts";
import { badRequest, StatusError, unsupportedMedia } from "./status.ts";
import { applyStrategicPatch } from "./strategic-patch.ts";

/** What the change of an object must look like to be tried again on a newer one. */
type Patch = (current: Doc) => Promise<unknown>;

/** Serves PATCH. Returns the object, and whether it was made (server-side apply only). */
export async function patchObject(
  registry: Registry,
  target: Target,
  request: Request,
  options: WriteOptions & { readonly force: boolean; readonly time: string },
  subresource: string | undefined,
): Promise<{ doc: Doc; created: boolean }> {
  const type = mediaType(request);
  const bytes = await readBytes(request);
  if (type === "application/apply-patch+yaml") {
    return serverSide(registry, target, decodeBody(bytes, "application/yaml").value, options, subresource);
  }
  const apply = patchers[type];
  const custom = target.kind.custom;
  if (!apply || (custom && type.includes("strategic"))) {
    const types = Object.keys(patchers).filter((t) => !custom || !t.includes("strategic"));
    throw unsupportedMedia(
      `the body of the request was in an unknown format - accepted media types include: ${[...types, "application/apply-patch+yaml"].join(", ")}`,
    );
  }
  const { value, duplicates } = decodeBody(bytes, "application/json");
  const patch: Patch = async (current) => {
    const next = await apply(current, value, target);
    // A patch that says nothing of the resourceVersion is unconditional.
    const said = (value as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion;
    if (type !== "application/json-patch+json" && said === undefined) {
      const meta = (next as Doc).metadata;
      if (meta) delete meta.resourceVersion;
    } else if (type === "application/json-patch+json") keepIfChanged(next as Doc, current);
    return next;
  };
  return {
    doc: await registry.change(target, patch, { ...options, duplicates }, subresource),
    created: false,
  };
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
      throw badRequest("a merge patch is an object");
    return applyMergePatch(current, patch);
  },
  "application/strategic-merge-patch+json": async (current, patch, { kind, version }) =>
    applyStrategicPatch(current, patch, await objectSchema(kind, version)),
};

async function serverSide(
  registry: Registry,
  target: Target,
  body: unknown,
  options: WriteOptions & { readonly force: boolean; readonly time: string },
  subresource: string | undefined,
): Promise<{ doc: Doc; created: boolean }> {
  const applied = identify(target, body);
  const how = { manager: options.fieldManager, force: options.force, time: options.time };
  const change = (current: Doc): Doc => applyServerSide(current, applied, how);
  try {
    return { doc: await registry.change(target, change, options, subresource), created: false };
  } catch (e) {
    const missing = e instanceof StatusError && e.code === 404 && e.details?.name === target.name;
    if (!missing || subresource !== undefined) throw e;
  }
  try {
    return {
      doc: await registry.create(target, applyServerSide(undefined, applied, how), options),
      created: true,
    };
  } catch (e) {
    if (!(e instanceof StatusError && e.reason === "AlreadyExists")) throw e;
    return { doc: await registry.change(target, change, options, subresource), created: false };
  }
}
