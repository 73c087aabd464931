/** `weft token create`: the account, what it may do, and a token of it. */
import {
  isKubeError,
  type KindRef,
  type KubeClient,
  type KubeObject,
  refs,
} from "../../kube/client/index.ts";
import { Problem } from "../problem/index.ts";
import { serviceAccountObject, serviceObject } from "../sidecar/register.ts";
import type { Ticket } from "./ticket.ts";

export interface TicketRequest {
  readonly namespace: string;
  readonly service: string;
  readonly serviceAccount: string;
  /** The service's port: the Service is created where it is absent. */
  readonly port?: number;
  /** Life of the token; a machine that runs renews it by itself. */
  readonly seconds: number;
  /** How the machine reaches the API server; absent: as the kubeconfig does. */
  readonly server?: string;
}

const rootNamespace = "weft-system";
const rbac = "rbac.authorization.k8s.io";
const roleRef = (kind: "Role" | "RoleBinding"): KindRef => ({
  group: rbac,
  version: "v1",
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced: true,
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** What a sidecar does at the API server, and nothing else. The embedded server grants it to every account. */
function rules(account: string): { readonly own: readonly Rule[]; readonly root: readonly Rule[] } {
  const all = ["get", "list", "watch", "create", "update", "patch", "delete"];
  return {
    own: [
      { apiGroups: ["networking.istio.io"], resources: ["workloadentries"], verbs: all },
      { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: all },
      { apiGroups: [""], resources: ["services", "serviceaccounts"], verbs: ["get"] },
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["weft-ca-root-cert"], verbs: ["get"] },
      {
        apiGroups: [""],
        resources: ["serviceaccounts/token"],
        resourceNames: [account],
        verbs: ["create"],
      },
    ],
    root: [
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["weft-control-plane"], verbs: ["get"] },
    ],
  };
}

async function ensure(client: KubeClient, ref: KindRef, object: KubeObject): Promise<void> {
  try {
    await client.create(ref, object);
  } catch (error) {
    if (!isKubeError(error, 409)) throw error;
  }
}

async function grant(client: KubeClient, { namespace, serviceAccount }: TicketRequest): Promise<void> {
  const name = `weft-workload-${serviceAccount}`;
  const { own, root } = rules(serviceAccount);
  const pairs: readonly (readonly [string, string, readonly Rule[]])[] = [
    [namespace, name, own],
    [rootNamespace, `${name}.${namespace}`, root],
  ];
  for (const [where, role, granted] of pairs) {
    const metadata = { name: role, namespace: where, labels: { "weft.dev/managed": "true" } };
    await ensure(client, roleRef("Role"), {
      apiVersion: `${rbac}/v1`,
      kind: "Role",
      metadata,
      rules: granted,
    });
    await ensure(client, roleRef("RoleBinding"), {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata,
      roleRef: { apiGroup: rbac, kind: "Role", name: role },
      subjects: [{ kind: "ServiceAccount", name: serviceAccount, namespace }],
    });
  }
}

/** Creates what is absent and asks for the token. */
export async function createTicket(
  client: KubeClient,
  request: TicketRequest,
): Promise<{ readonly ticket: Ticket; readonly expiresAtMs: number }> {
  const { namespace, service, serviceAccount, port, seconds } = request;
  const { caPem } = client.config;
  if (caPem === undefined)
    throw new Problem("the kubeconfig names no certificate authority", {
      why: "the machine that joins would have nothing to know the API server by",
      mend: "name one in its cluster: certificate-authority or certificate-authority-data",
    });
  await ensure(client, refs.serviceAccount, serviceAccountObject({ namespace, serviceAccount }));
  if (port !== undefined) await ensure(client, refs.service, serviceObject({ namespace, service, port }));
  await grant(client, request).catch((error: unknown) => {
    // An API server without roles asks for none.
    if (!isKubeError(error, 404)) throw error;
  });
  const { token, expiresAtMs } = await client.tokenRequest(namespace, serviceAccount, { seconds });
  const server = request.server ?? client.config.server;
  return { ticket: { server, caPem, namespace, service, serviceAccount, token }, expiresAtMs };
}
