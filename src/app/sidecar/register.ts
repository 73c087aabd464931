/** What the API server is told of a workload: Service, ServiceAccount, WorkloadEntry. */
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";

export interface Registration {
  readonly namespace: string;
  readonly service: string;
  readonly version: string | undefined;
  readonly serviceAccount: string;
  /** Name of the WorkloadEntry. */
  readonly workload: string;
  readonly address: string;
  readonly port: number;
  readonly appPort: number;
  /** Name of the Lease that keeps it alive. */
  readonly lease: string;
}

export const annotation = {
  ready: "weft.dev/ready",
  draining: "weft.dev/draining",
  /** Set by the control plane: every proxy has acknowledged that this endpoint drains. */
  drained: "weft.dev/drained",
  appPort: "weft.dev/app-port",
  lease: "weft.dev/lease",
} as const;

/** Labels that every object of the workload's instances carries. */
export function workloadLabels(r: Pick<Registration, "service" | "version">): Record<string, string> {
  return { app: r.service, ...(r.version === undefined ? {} : { version: r.version }) };
}

async function createIfAbsent(client: KubeClient, ref: (typeof refs)[keyof typeof refs], object: KubeObject) {
  try {
    await client.create(ref, object);
  } catch (error) {
    if (!isKubeError(error, 409)) throw error;
  }
}

/** Creates what is absent; a WorkloadEntry of the same name is taken over: this instance lived before. */
export async function register(client: KubeClient, r: Registration): Promise<void> {
  const { namespace, service } = r;
  const labels = { "weft.dev/managed": "true" };
  await Promise.all([
    createIfAbsent(client, refs.serviceAccount, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: r.serviceAccount, namespace, labels },
    }),
    createIfAbsent(client, refs.service, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: service, namespace, labels },
      spec: {
        selector: { app: service },
        ports: [{ name: "http", port: r.port, targetPort: r.port, protocol: "TCP" }],
      },
    }),
  ]);
  const entry = workloadEntry(r);
  try {
    await client.create(refs.workloadEntry, entry);
  } catch (error) {
    if (!isKubeError(error, 409)) throw error;
    const annotations = {
      ...entry.metadata.annotations,
      [annotation.draining]: null,
      [annotation.drained]: null,
    };
    await client.patch(
      refs.workloadEntry,
      { namespace, name: r.workload },
      { metadata: { annotations, labels: entry.metadata.labels }, spec: entry["spec"] },
    );
  }
}

function workloadEntry(r: Registration): KubeObject {
  const labels = workloadLabels(r);
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: {
      name: r.workload,
      namespace: r.namespace,
      labels: { ...labels, "weft.dev/managed": "true", "security.istio.io/tlsMode": "istio" },
      annotations: {
        [annotation.ready]: "false",
        [annotation.appPort]: String(r.appPort),
        [annotation.lease]: r.lease,
      },
    },
    spec: {
      address: r.address,
      ports: { http: r.port },
      labels: { ...labels, "security.istio.io/tlsMode": "istio" },
      serviceAccount: r.serviceAccount,
    },
  };
}

/** Sets or (null) removes an annotation of the WorkloadEntry. */
export async function annotate(
  client: KubeClient,
  r: Registration,
  name: string,
  value: string | null,
): Promise<void> {
  const target = { namespace: r.namespace, name: r.workload };
  await client.patch(refs.workloadEntry, target, { metadata: { annotations: { [name]: value } } });
}

/** Removes the WorkloadEntry; that it is gone already is fine. */
export async function unregister(client: KubeClient, r: Registration): Promise<void> {
  try {
    await client.delete(refs.workloadEntry, { namespace: r.namespace, name: r.workload });
  } catch (error) {
    if (!isKubeError(error, 404)) throw error;
  }
}
