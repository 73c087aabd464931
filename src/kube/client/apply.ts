/** Client-side apply, with kubectl's annotation, so that kubectl and Weft can take turns on an object. */
import { isKubeError } from "./error.ts";
import { threeWayPatch } from "./merge.ts";
import type { ApplyResult, KindRef, KubeClient, KubeObject, WriteOptions } from "./types.ts";

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";
/** Racing writers: try again on a conflict, as kubectl does (it gives up after 5). */
const maxTries = 5;

type Calls = Pick<KubeClient, "get" | "create" | "patch">;

function annotated<T extends KubeObject>(object: T): T {
  const { [lastApplied]: _old, ...annotations } = object.metadata.annotations ?? {};
  const plain = { ...object, metadata: { ...object.metadata, annotations } };
  const text = `${JSON.stringify(plain)}\n`;
  return { ...plain, metadata: { ...plain.metadata, annotations: { ...annotations, [lastApplied]: text } } };
}

function previous(current: KubeObject): unknown {
  const text = current.metadata.annotations?.[lastApplied];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Somebody garbled it: nothing is then known to be ours, so nothing is removed.
    return undefined;
  }
}

/** See KubeClient.apply. */
export async function applyObject<T extends KubeObject>(
  client: Calls,
  ref: KindRef,
  object: T,
  options: WriteOptions,
): Promise<ApplyResult<T>> {
  const wanted = annotated(object);
  const { name, namespace } = object.metadata;
  for (let attempt = 1; ; attempt++) {
    try {
      let current: T;
      try {
        current = await client.get<T>(ref, name, namespace);
      } catch (error) {
        if (!isKubeError(error, 404)) throw error;
        return { action: "created", object: await client.create(ref, wanted, options) };
      }
      const { status: _status, ...rest } = wanted as KubeObject;
      const patch = threeWayPatch(previous(current), rest, current) as
        | { metadata?: { annotations?: Record<string, unknown>; resourceVersion?: unknown } }
        | undefined;
      if (patch === undefined) return { action: "unchanged", object: current };
      const done = await client.patch<T>(ref, { name, namespace }, patch, { ...options, type: "merge" });
      const same = done.metadata.resourceVersion === current.metadata.resourceVersion;
      return { action: same ? "unchanged" : "configured", object: done };
    } catch (error) {
      if (!isKubeError(error, 409) || attempt >= maxTries) throw error;
    }
  }
}
