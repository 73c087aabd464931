/** The story on somebody's cluster: what must be there, what must not, and what is taken away afterwards. */
import { isKubeError, type KindRef, type KubeClient, refs } from "../src/kube/client/index.ts";
import { cast } from "./cast.ts";

const namespace = "default";

/** What the story writes beside the manifests, which name no namespace either. */
const own: readonly (readonly [KindRef, readonly string[]])[] = [
  [refs.virtualService, ["reviews-route"]],
  [refs.destinationRule, ["reviews-cb"]],
  [refs.peerAuthentication, ["default-mtls"]],
  [refs.serviceProfile, ["web-api.default.svc.cluster.local"]],
  [refs.service, [...new Set(cast.map(([, service]) => service))]],
  [refs.serviceAccount, [...new Set(cast.map(([, service]) => service))]],
];

async function exists(client: KubeClient, ref: KindRef, name: string): Promise<boolean> {
  try {
    await client.get(ref, name, namespace);
    return true;
  } catch (error) {
    if (isKubeError(error, 404)) return false;
    throw error;
  }
}

/** Throws where the story would change something that is not its own. */
export async function refuseToDisturb(client: KubeClient): Promise<void> {
  const found: string[] = [];
  for (const [ref, names] of own)
    for (const name of names) if (await exists(client, ref, name)) found.push(`${ref.plural}/${name}`);
  if (found.length > 0)
    throw new Error(
      `namespace ${namespace} of ${client.config.server} already has ${found.join(", ")}: ` +
        "the story would change them; use an empty cluster, or delete them",
    );
}

/** Deletes what the story made; the control plane's own objects (namespace weft-system, the root) stay. */
export async function takeAway(client: KubeClient): Promise<void> {
  for (const [ref, names] of own)
    for (const name of names)
      await client.delete(ref, { namespace, name }).catch((error: unknown) => {
        if (!isKubeError(error, 404)) process.stderr.write(`${ref.plural}/${name} stays: ${error}\n`);
      });
}
