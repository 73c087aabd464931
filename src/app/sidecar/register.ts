/** What the API server is told of a workload: Service, ServiceAccount, WorkloadEntry. */
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { Problem } from "../problem/index.ts";

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
  /** Where it takes mutual TLS; absent: where sidecars do. */
  readonly meshPort?: number;
  /** Where its admin pages are, if not on its address. */
  readonly adminAddress?: string;
  /** Name of the Lease that keeps it alive. */
  readonly lease: string;
}

export const annotation = {
  ready: "weft.dev/ready",
  draining: "weft.dev/draining",
  /** Set by the control plane: every proxy has acknowledged that this endpoint drains. */
  drained: "weft.dev/drained",
  appPort: "weft.dev/app-port",
  meshPort: "weft.dev/mesh-port",
  adminAddress: "weft.dev/admin-address",
  lease: "weft.dev/lease",
} as const;

/** Labels that every object of the workload's instances carries. */
export function workloadLabels(r: Pick<Registration, "service" | "version">): Record<string, string> {
  return { app: r.service, ...(r.version === undefined ? {} : { version: r.version }) };
}

type Writer = Pick<KubeClient, "get" | "create" | "patch" | "delete">;

async function createIfAbsent(
  client: Writer,
  ref: (typeof refs)[keyof typeof refs],
  object: KubeObject,
  signal: AbortSignal,
) {
  try {
    await client.create(ref, object, { signal });
  } catch (error) {
    // An account that may not create it (a machine that joined by token) needs it to be there.
    if (isKubeError(error, 403)) await expectThere(client, ref, object, error, signal);
    else if (!isKubeError(error, 409)) throw error;
  }
}

async function expectThere(
  client: Writer,
  ref: (typeof refs)[keyof typeof refs],
  { metadata: { name, namespace } }: KubeObject,
  refusal: Error,
  signal: AbortSignal,
) {
  try {
    await client.get(ref, name, namespace, { signal });
  } catch (error) {
    if (!isKubeError(error, 404)) throw refusal;
    throw new Problem(`there is no ${ref.kind} ${namespace}/${name}, and this account may not create it`, {
      why: refusal.message,
      mend: `\`weft token create --service ${name} --port PORT\` creates it`,
    });
  }
}

/** Creates what is absent; a WorkloadEntry of the same name is taken over: this instance lived before. */
export async function register(
  client: Writer,
  r: Registration,
  ready: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { namespace } = r;
  await Promise.all([
    createIfAbsent(client, refs.serviceAccount, serviceAccountObject(r), signal),
    createIfAbsent(client, refs.service, serviceObject(r), signal),
  ]);
  const entry = workloadEntry(r, ready);
  try {
    await client.create(refs.workloadEntry, entry, { signal });
  } catch (error) {
    if (!isKubeError(error, 409)) throw error;
    const annotations = {
      ...entry.metadata.annotations,
      [annotation.draining]: null,
      [annotation.drained]: null,
      // A life before may have had another kind of proxy.
      ...(r.meshPort === undefined && { [annotation.meshPort]: null }),
      ...(r.adminAddress === undefined && { [annotation.adminAddress]: null }),
    };
    await client.patch(
      refs.workloadEntry,
      { namespace, name: r.workload },
      { metadata: { annotations, labels: entry.metadata.labels }, spec: entry["spec"] },
      { signal },
    );
  }
}

const managed = { "weft.dev/managed": "true" };

/** The account that the workload is in the mesh. */
export function serviceAccountObject(r: Pick<Registration, "namespace" | "serviceAccount">): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: r.serviceAccount, namespace: r.namespace, labels: managed },
  };
}

/** The service by which others call the workload's instances. */
export function serviceObject(r: Pick<Registration, "namespace" | "service" | "port">): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: r.service, namespace: r.namespace, labels: managed },
    spec: {
      selector: { app: r.service },
      ports: [{ name: "http", port: r.port, targetPort: r.port, protocol: "TCP" }],
    },
  };
}

function workloadEntry(r: Registration, ready: boolean): KubeObject {
  const labels = workloadLabels(r);
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: {
      name: r.workload,
      namespace: r.namespace,
      labels: { ...labels, "weft.dev/managed": "true", "security.istio.io/tlsMode": "istio" },
      annotations: {
        [annotation.ready]: String(ready),
        [annotation.appPort]: String(r.appPort),
        [annotation.lease]: r.lease,
        ...(r.meshPort !== undefined && { [annotation.meshPort]: String(r.meshPort) }),
        ...(r.adminAddress !== undefined && { [annotation.adminAddress]: r.adminAddress }),
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
  client: Pick<KubeClient, "patch">,
  r: Registration,
  name: string,
  value: string | null,
  signal: AbortSignal,
): Promise<void> {
  const target = { namespace: r.namespace, name: r.workload };
  await client.patch(
    refs.workloadEntry,
    target,
    { metadata: { annotations: { [name]: value } } },
    { signal },
  );
}

/** Removes the WorkloadEntry; that it is gone already is fine. */
export async function unregister(
  client: Pick<KubeClient, "delete">,
  r: Registration,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.delete(refs.workloadEntry, { namespace: r.namespace, name: r.workload }, { signal });
  } catch (error) {
    if (!isKubeError(error, 404)) throw error;
  }
}
