/** What the control plane tells sidecars through the API server: where it is, and which root to trust. */
import type { Clock, Logger, Rng } from "../../base/index.ts";
import {
  createInformer,
  type Informer,
  isKubeError,
  type KindRef,
  type KubeClient,
  type KubeObject,
  refs,
} from "../../kube/client/index.ts";

export const addressMapName = "weft-control-plane";
export const rootMapName = "weft-ca-root-cert";
export const rootMapKey = "root-cert.pem";

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Creates the ConfigMap, or makes its data as given. */
export async function putConfigMap(
  client: KubeClient,
  namespace: string,
  name: string,
  data: Readonly<Record<string, string>>,
): Promise<void> {
  const object: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace, labels: { "app.kubernetes.io/part-of": "weft" } },
    data,
  };
  try {
    await client.create(refs.configMap, object);
  } catch (error) {
    if (!isKubeError(error, 409)) throw error;
    await client.patch(refs.configMap, { name, namespace }, { data });
  }
}

async function ensure(client: KubeClient, ref: KindRef, object: KubeObject): Promise<void> {
  try {
    await client.create(ref, object);
  } catch (error) {
    if (!isKubeError(error, 409)) throw error;
  }
}

/** Creates the namespace unless it is there. */
export function ensureNamespace(client: KubeClient, name: string): Promise<void> {
  return ensure(client, refs.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
}

/** Creates the service account unless it is there. */
export function ensureAccount(client: KubeClient, namespace: string, name: string): Promise<void> {
  const metadata = { name, namespace, labels: { "app.kubernetes.io/part-of": "weft" } };
  return ensure(client, refs.serviceAccount, { apiVersion: "v1", kind: "ServiceAccount", metadata });
}

export interface RootPublisher {
  /** The root is in every namespace that was there at the start. */
  readonly published: Promise<void>;
  stop(): void;
}

/** Keeps the root certificate in every namespace, new ones too. */
export function publishRoot(
  client: KubeClient,
  rootPem: string,
  options: { readonly clock: Clock; readonly rng: Rng; readonly log: Logger },
): RootPublisher {
  const { log } = options;
  const put = async (namespace: string): Promise<void> => {
    try {
      await putConfigMap(client, namespace, rootMapName, { [rootMapKey]: rootPem });
    } catch (error) {
      // A namespace that is going away takes nothing in.
      log.warn(`root certificate not published in ${namespace}`, { error: String(error) });
    }
  };
  const namespaces: Informer<KubeObject> = createInformer<KubeObject>(client, refs.namespace, {
    ...options,
    onChange: (change) => {
      if (change.type === "added" && namespaces.hasSynced) void put(change.object.metadata.name);
    },
  });
  namespaces.start();
  const published = namespaces.synced.then(async () => {
    await Promise.all(namespaces.list().map((n) => put(n.metadata.name)));
  });
  return { published, stop: () => namespaces.stop() };
}
