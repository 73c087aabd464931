/** Subresources beside status: scale, binding, eviction. */
import { parseApiVersion } from "../kinds/index.ts";
import type { Doc } from "./document.ts";
import { isObject, type Json } from "./fields.ts";
import type { Target, WriteOptions } from "./prepare.ts";
import type { Registry } from "./registry.ts";
import { badRequest, invalid } from "./status.ts";

const at = (doc: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((v, key) => (isObject(v) ? v[key] : undefined), doc);

function put(doc: Json, path: string, value: unknown): void {
  const keys = path.split(".");
  let node = doc;
  for (const key of keys.slice(0, -1)) {
    if (!isObject(node[key])) node[key] = {};
    node = node[key] as Json;
  }
  node[keys.at(-1)!] = value;
}

/** A selector as text: custom kinds keep it so, Kubernetes' own as an object. */
function selectorText(value: unknown): string | undefined {
  if (value === undefined || typeof value === "string") return value as string | undefined;
  const labels = isObject((value as Json)["matchLabels"])
    ? ((value as Json)["matchLabels"] as Json)
    : (value as Json);
  return Object.entries(labels)
    .filter(([, v]) => typeof v === "string")
    .map(([k, v]) => `${k}=${v}`)
    .join(",");
}

/** What the scale subresource shows of an object (autoscaling/v1 Scale). */
export function scaleOf(target: Target, doc: Doc): Doc {
  const { scale } = target.kind;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = doc.metadata;
  const selector = scale?.selector === undefined ? undefined : selectorText(at(doc, scale.selector));
  const replicas = at(doc, scale!.spec);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name,
      ...(namespace && { namespace }),
      uid: uid!,
      resourceVersion: resourceVersion!,
      creationTimestamp: creationTimestamp!,
    },
    spec: replicas === undefined ? {} : { replicas },
    status: { replicas: at(doc, scale!.status) ?? 0, ...(selector && { selector }) },
  };
}

/** Writes the number of replicas that a changed Scale asks for. */
export async function changeScale(
  registry: Registry,
  target: Target,
  change: (scale: Doc) => Promise<unknown> | unknown,
  options: WriteOptions,
): Promise<Doc> {
  const { kind } = target;
  const doc = await registry.change(
    target,
    async (current) => {
      const next = (await change(scaleOf(target, current))) as Doc | undefined;
      const replicas = (next?.["spec"] as Json | undefined)?.["replicas"] ?? 0;
      if (typeof replicas !== "number" || !Number.isInteger(replicas))
        throw badRequest("spec.replicas is not a whole number");
      if (replicas < 0)
        throw invalid({ ...kind, group: "autoscaling", kind: "Scale" }, target.name ?? "", [
          {
            field: "spec.replicas",
            message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
            reason: "FieldValueInvalid",
          },
        ]);
      put(current, kind.scale!.spec, replicas);
      const said = next?.metadata?.resourceVersion;
      if (said === undefined || said === "") delete current.metadata.resourceVersion;
      else current.metadata.resourceVersion = said;
      return current;
    },
    options,
    "scale",
  );
  return scaleOf(target, doc);
}

const done = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };

/** POST .../pods/<name>/binding: says where a pod runs. */
export async function bindPod(
  registry: Registry,
  target: Target,
  body: unknown,
  options: WriteOptions,
): Promise<unknown> {
  const node = (body as { target?: { name?: unknown } } | undefined)?.target?.name;
  if (typeof node !== "string" || node === "") throw badRequest("target.name is required");
  await registry.change(
    target,
    (pod) => {
      delete pod.metadata.resourceVersion;
      const spec = pod["spec"] as Json;
      if (spec["nodeName"])
        throw badRequest(`pod ${target.name} is already assigned to node "${spec["nodeName"]}"`);
      return { ...pod, spec: { ...spec, nodeName: node } };
    },
    { ...options, bound: true },
    "binding",
  );
  return done;
}

/** POST .../pods/<name>/eviction: deletes a pod; budgets are not looked at, as nothing runs here. */
export async function evictPod(
  registry: Registry,
  target: Target,
  body: unknown,
  options: WriteOptions,
): Promise<unknown> {
  const { apiVersion, deleteOptions } = (body ?? {}) as {
    apiVersion?: string;
    deleteOptions?: { preconditions?: Json };
  };
  if (apiVersion && parseApiVersion(apiVersion)?.group !== "policy")
    throw badRequest("an Eviction of group policy is expected");
  await registry.delete(target, options, deleteOptions?.preconditions ?? {});
  return done;
}
