/** Whether the API server serves what Weft reads and writes: a cluster does only after `weft install --crds`. */
import { isKubeError, type KindRef, type KubeClient, refs } from "../../kube/client/index.ts";
import { limits } from "./limits.ts";
import { bad, type Look, ok } from "./types.ts";

/** Without it no sidecar can register. */
const needed: readonly KindRef[] = [refs.workloadEntry, refs.lease];
/** Without one of these its manifests cannot be applied; the rest of the mesh works. */
const wanted: readonly KindRef[] = [
  refs.virtualService,
  refs.destinationRule,
  refs.serviceEntry,
  refs.sidecar,
  refs.peerAuthentication,
  refs.serviceProfile,
];

interface ResourceList {
  readonly resources?: readonly { readonly name?: string }[];
}

/** Resources that the group and version serve; none where it is not known. */
async function servedBy(
  client: Pick<KubeClient, "raw">,
  { group, version }: KindRef,
): Promise<ReadonlySet<string>> {
  try {
    const { resources = [] } = await client.raw<ResourceList>(`/apis/${group}/${version}`);
    return new Set(resources.map((r) => r.name ?? ""));
  } catch (error) {
    if (isKubeError(error, 404)) return new Set();
    throw error;
  }
}

export async function checkKinds(client: Pick<KubeClient, "raw">): Promise<Look> {
  const check = "the kinds that Weft reads are served";
  const all = [...needed, ...wanted];
  const served = await Promise.all(all.map((ref) => servedBy(client, ref)));
  const missing = all.filter((ref, i) => !served[i]!.has(ref.plural));
  if (missing.length === 0) return ok(check, `${all.length}`);
  const names = missing.slice(0, limits.names).map((r) => `${r.plural}.${r.group}/${r.version}`);
  const grave = missing.some((ref) => needed.includes(ref));
  return bad(
    grave ? "error" : "warning",
    check,
    `missing: ${names.join(", ")}`,
    "`weft install --crds` adds them",
  );
}
