/** What `kubectl get` shows of what surrounds workloads: nodes, storage, network, access. */
import { type ColumnDefinition, column, count, list } from "./columns.ts";
import { at, num, selectorText, text, wide } from "./columns-workload.ts";
import type { KubeObject } from "./types.ts";

const integer = { type: "integer" } as const;
const created = column("Created At", "When it was made.", (o) => o.metadata.creationTimestamp);

const node: readonly ColumnDefinition[] = [
  column("Status", "Whether it is ready.", (o) => {
    const conditions = (at(o, "status.conditions") ?? []) as readonly { type: string; status: string }[];
    const c = conditions.find((x) => x.type === "Ready");
    const words = [c ? (c.status === "True" ? "Ready" : "NotReady") : "Unknown"];
    if (at(o, "spec.unschedulable") === true) words.push("SchedulingDisabled");
    return words.join(",");
  }),
  column("Roles", "What it is for.", (o) => {
    const prefix = "node-role.kubernetes.io/";
    const labels = o.metadata.labels ?? {};
    const roles = Object.keys(labels)
      .filter((k) => k.startsWith(prefix))
      .map((k) => k.slice(prefix.length));
    return list([...roles, ...(labels["kubernetes.io/role"] ? [labels["kubernetes.io/role"]] : [])].sort());
  }),
  column("Age", "Time since it was made.", (o) => o.metadata.creationTimestamp, { type: "date" }),
  column("Version", "Version of its kubelet.", text("status.nodeInfo.kubeletVersion", "")),
  column("Internal-IP", "Address inside.", (o) => address(o, "InternalIP"), wide),
  column("External-IP", "Address outside.", (o) => address(o, "ExternalIP"), wide),
  column("OS-Image", "Its operating system.", text("status.nodeInfo.osImage", "<unknown>"), wide),
  column("Kernel-Version", "Its kernel.", text("status.nodeInfo.kernelVersion", "<unknown>"), wide),
  column(
    "Container-Runtime",
    "What runs its containers.",
    text("status.nodeInfo.containerRuntimeVersion", "<unknown>"),
    wide,
  ),
];

function address(o: KubeObject, type: string): string {
  const all = (at(o, "status.addresses") ?? []) as readonly { type: string; address: string }[];
  return all.find((a) => a.type === type)?.address ?? "<none>";
}

const modes: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};
const accessModes = (path: string) =>
  column("Access Modes", "How it may be mounted.", (o) =>
    ((at(o, path) ?? []) as string[]).map((m) => modes[m] ?? m).join(","),
  );

const volume: readonly ColumnDefinition[] = [
  column(
    "Capacity",
    "Its size.",
    (o) => (at(o, "spec.capacity") as { storage?: string } | undefined)?.storage ?? "",
  ),
  accessModes("spec.accessModes"),
  column("Reclaim Policy", "What becomes of it after its claim.", text("spec.persistentVolumeReclaimPolicy")),
  column("Status", "Its phase.", (o) =>
    o.metadata.deletionTimestamp ? "Terminating" : (at(o, "status.phase") as string | undefined),
  ),
  column("Claim", "Who claims it.", (o) => {
    const ref = at(o, "spec.claimRef") as { namespace?: string; name?: string } | undefined;
    return ref ? `${ref.namespace}/${ref.name}` : "";
  }),
  column("StorageClass", "Its class.", text("spec.storageClassName", "")),
  column(
    "VolumeAttributesClass",
    "Its class of attributes.",
    text("spec.volumeAttributesClassName", "<unset>"),
  ),
  column("Reason", "Why it is in its phase.", text("status.reason", "")),
  column("VolumeMode", "Blocks or files.", text("spec.volumeMode", "<unset>"), wide),
];

const claim: readonly ColumnDefinition[] = [
  column("Status", "Its phase.", (o) =>
    o.metadata.deletionTimestamp ? "Terminating" : (at(o, "status.phase") as string | undefined),
  ),
  column("Volume", "The volume that it has.", text("spec.volumeName", "")),
  column("Capacity", "The size that it has.", (o) =>
    at(o, "spec.volumeName") ? (at(o, "status.capacity") as { storage?: string } | undefined)?.storage : "",
  ),
  accessModes("status.accessModes"),
  column("StorageClass", "Its class.", text("spec.storageClassName", "")),
  column(
    "VolumeAttributesClass",
    "Its class of attributes.",
    text("spec.volumeAttributesClassName", "<unset>"),
  ),
  column("VolumeMode", "Blocks or files.", text("spec.volumeMode", "<unset>"), wide),
];

interface Rule {
  readonly host?: string;
}
const ingress: readonly ColumnDefinition[] = [
  column("Class", "Its class.", text("spec.ingressClassName", "<none>")),
  column("Hosts", "Names that it serves.", (o) => {
    const hosts = ((at(o, "spec.rules") ?? []) as readonly Rule[]).flatMap((r) => (r.host ? [r.host] : []));
    return hosts.length === 0
      ? "*"
      : hosts.slice(0, 3).join(",") + (hosts.length > 3 ? ` + ${hosts.length - 3} more...` : "");
  }),
  column("Address", "Where it is reached.", (o) =>
    ((at(o, "status.loadBalancer.ingress") ?? []) as readonly { ip?: string; hostname?: string }[])
      .map((i) => i.ip ?? i.hostname ?? "")
      .join(","),
  ),
  column("Ports", "Ports that it opens.", (o) =>
    ((at(o, "spec.tls") ?? []) as unknown[]).length > 0 ? "80, 443" : "80",
  ),
];

interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}
const subjects = (o: KubeObject, kind: string): string =>
  ((o["subjects"] ?? []) as readonly Subject[])
    .filter((s) => s.kind === kind)
    .map((s) => (kind === "ServiceAccount" ? `${s.namespace ?? ""}/${s.name}` : s.name))
    .join(", ");
const binding: readonly ColumnDefinition[] = [
  column("Role", "What it grants.", (o) => `${at(o, "roleRef.kind")}/${at(o, "roleRef.name")}`),
  column("Users", "Users who have it.", (o) => subjects(o, "User"), wide),
  column("Groups", "Groups that have it.", (o) => subjects(o, "Group"), wide),
  column("ServiceAccounts", "Service accounts that have it.", (o) => subjects(o, "ServiceAccount"), wide),
];

const age = column("Age", "Time since it was made.", (o) => o.metadata.creationTimestamp, { type: "date" });
const webhooks = [column("Webhooks", "How many it names.", (o) => count(o["webhooks"]), integer)];

function endpoints(o: KubeObject): string {
  const subsets = (o["subsets"] ?? []) as readonly {
    addresses?: readonly { ip: string }[];
    ports?: readonly { port: number }[];
  }[];
  const all = subsets.flatMap((s) =>
    (s.addresses ?? []).flatMap((a) => (s.ports?.length ? s.ports.map((p) => `${a.ip}:${p.port}`) : [a.ip])),
  );
  if (all.length === 0) return "<none>";
  return all.slice(0, 3).join(",") + (all.length > 3 ? ` + ${all.length - 3} more...` : "");
}

function quota(prefix: boolean) {
  return (o: KubeObject): string => {
    const hard = (at(o, "status.hard") ?? at(o, "spec.hard") ?? {}) as Readonly<Record<string, string>>;
    const used = (at(o, "status.used") ?? {}) as Readonly<Record<string, string>>;
    return Object.keys(hard)
      .filter((k) => k.startsWith("limits.") === prefix)
      .sort()
      .map((k) => `${k}: ${used[k] ?? "0"}/${hard[k]}`)
      .join(", ");
  };
}

export const clusterColumns: Readonly<Record<string, readonly ColumnDefinition[]>> = {
  Node: node,
  Endpoints: [column("Endpoints", "Addresses.", endpoints)],
  LimitRange: [created],
  ResourceQuota: [
    column("Request", "Requests of those allowed.", quota(false)),
    column("Limit", "Limits of those allowed.", quota(true)),
  ],
  PersistentVolume: volume,
  PersistentVolumeClaim: claim,
  Ingress: ingress,
  IngressClass: [
    column("Controller", "Who serves it.", text("spec.controller")),
    column("Parameters", "More configuration.", (o) => {
      const p = at(o, "spec.parameters") as { apiGroup?: string; kind: string; name: string } | undefined;
      return p ? `${p.kind}${p.apiGroup ? `.${p.apiGroup}` : ""}/${p.name}` : "<none>";
    }),
  ],
  NetworkPolicy: [
    column("Pod-Selector", "Which pods it is about.", (o) => selectorText(at(o, "spec.podSelector"))),
  ],
  Role: [created],
  ClusterRole: [created],
  RoleBinding: binding,
  ClusterRoleBinding: binding,
  StorageClass: [
    column("Provisioner", "Who makes its volumes.", text("provisioner")),
    column("ReclaimPolicy", "What becomes of a volume after its claim.", text("reclaimPolicy", "Delete")),
    column("VolumeBindingMode", "When volumes are made.", text("volumeBindingMode", "Immediate")),
    column("AllowVolumeExpansion", "Whether volumes may grow.", (o) =>
      String(o["allowVolumeExpansion"] === true),
    ),
  ],
  CSINode: [column("Drivers", "How many it has.", (o) => count(at(o, "spec.drivers")), integer)],
  PriorityClass: [
    column("Value", "Its priority.", (o) => num(o["value"]), integer),
    column("Global-Default", "Whether it is the default.", (o) => String(o["globalDefault"] === true)),
    age,
    column("PreemptionPolicy", "Whether it drives others out.", text("preemptionPolicy")),
  ],
  RuntimeClass: [column("Handler", "Which runtime it is.", text("handler"))],
  CertificateSigningRequest: [
    age,
    column("SignerName", "Who should sign.", text("spec.signerName")),
    column("Requestor", "Who asks.", text("spec.username", "")),
    column("RequestedDuration", "For how long.", (o) => {
      const s = at(o, "spec.expirationSeconds");
      return typeof s === "number" ? `${s}s` : "<none>";
    }),
    column("Condition", "What became of it.", (o) => {
      const words = ((at(o, "status.conditions") ?? []) as readonly { type: string }[]).map((c) => c.type);
      if (at(o, "status.certificate")) words.push("Issued");
      return words.length > 0 ? words.join(",") : "Pending";
    }),
  ],
  MutatingWebhookConfiguration: webhooks,
  ValidatingWebhookConfiguration: webhooks,
  CustomResourceDefinition: [created],
  VolumeAttachment: [
    column("Attacher", "Who attaches.", text("spec.attacher")),
    column("PV", "The volume.", text("spec.source.persistentVolumeName", "")),
    column("Node", "Where to.", text("spec.nodeName")),
    column("Attached", "Whether it is.", (o) => String(at(o, "status.attached") === true)),
  ],
  CSIDriver: [
    column("AttachRequired", "Whether volumes are attached.", (o) =>
      String(at(o, "spec.attachRequired") ?? true),
    ),
    column("PodInfoOnMount", "Whether it is told of pods.", (o) =>
      String(at(o, "spec.podInfoOnMount") ?? false),
    ),
    column("Modes", "Lifecycles of volumes.", (o) =>
      list(at(o, "spec.volumeLifecycleModes") as string[] | undefined),
    ),
  ],
};
