/** Kinds of Kubernetes itself. Those that nothing here obeys are stored, and say so in `inert`. */
import { columns } from "./columns.ts";
import { clusterColumns } from "./columns-cluster.ts";
import { workloadColumns } from "./columns-workload.ts";
import * as core from "./core-schemas.ts";
import { builtIn, type Kind, type KindDraft } from "./kind.ts";
import type { Schema } from "./schema.ts";

const all: readonly string[] = ["all"];
const fixed = (schema: Schema) => (): Promise<Schema> => Promise.resolve(schema);

/** Kinds that Weft reads: their schemas are written here, with the ranges and enumerations that its readers trust. */
const read: readonly Kind[] = [
  of("", "Namespace", "namespaces", {
    shortNames: ["ns"],
    namespaced: false,
    nameRule: "label",
    statusSubresource: true,
    selectable: ["status.phase"],
    schema: fixed(core.namespaceSchema),
  }),
  of("", "Service", "services", {
    shortNames: ["svc"],
    nameRule: "label1035",
    statusSubresource: true,
    categories: all,
    selectable: ["spec.clusterIP", "spec.type"],
    schema: fixed(core.serviceSchema),
  }),
  of("", "ServiceAccount", "serviceaccounts", {
    shortNames: ["sa"],
    subresources: ["token"],
    schema: fixed(core.serviceAccountSchema),
  }),
  of("", "Secret", "secrets", { selectable: ["type"], schema: fixed(core.secretSchema) }),
  of("", "ConfigMap", "configmaps", { shortNames: ["cm"], schema: fixed(core.configMapSchema) }),
  of("", "Event", "events", {
    shortNames: ["ev"],
    selectable: [
      ...["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map(
        (f) => `involvedObject.${f}`,
      ),
      "reason",
      "reportingComponent",
      "source",
      "type",
    ],
    schema: fixed(core.eventSchema),
  }),
  of("events.k8s.io", "Event", "events", {
    shortNames: ["ev"],
    selectable: ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"]
      .map((f) => `regarding.${f}`)
      .concat("reason", "reportingController", "type"),
    schema: fixed(core.newEventSchema),
    storedAs: { group: "", plural: "events" },
  }),
  of("coordination.k8s.io", "Lease", "leases", { schema: fixed(core.leaseSchema) }),
  of("discovery.k8s.io", "EndpointSlice", "endpointslices", {
    generation: true,
    schema: fixed(core.endpointSliceSchema),
  }),
];

const notRun = (kind: string): string => `${kind} is stored only: nothing here runs it`;
const scale = { spec: "spec.replicas", status: "status.replicas", selector: "spec.selector" } as const;

/** Workloads: stored, never run. */
const workloads: readonly Kind[] = [
  of("", "Pod", "pods", {
    shortNames: ["po"],
    categories: all,
    statusSubresource: true,
    generation: true,
    subresources: ["binding", "eviction"],
    selectable: [
      ...["nodeName", "restartPolicy", "schedulerName", "serviceAccountName", "hostNetwork"].map(
        (f) => `spec.${f}`,
      ),
      ...["phase", "podIP", "nominatedNodeName"].map((f) => `status.${f}`),
    ],
    inert: notRun("Pod"),
  }),
  of("", "PodTemplate", "podtemplates", { inert: notRun("PodTemplate") }),
  of("", "ReplicationController", "replicationcontrollers", {
    shortNames: ["rc"],
    categories: all,
    statusSubresource: true,
    generation: true,
    scale,
    selectable: ["status.replicas"],
    inert: notRun("ReplicationController"),
  }),
  ...(
    [
      ["Deployment", "deployments", "deploy"],
      ["ReplicaSet", "replicasets", "rs"],
      ["StatefulSet", "statefulsets", "sts"],
      ["DaemonSet", "daemonsets", "ds"],
    ] as const
  ).map(([kind, plural, short]) =>
    of("apps", kind, plural, {
      shortNames: [short],
      categories: all,
      statusSubresource: true,
      generation: true,
      ...(kind !== "DaemonSet" && { scale }),
      ...(kind === "ReplicaSet" && { selectable: ["status.replicas"] }),
      inert: notRun(kind),
    }),
  ),
  of("apps", "ControllerRevision", "controllerrevisions", { inert: notRun("ControllerRevision") }),
  of("batch", "Job", "jobs", {
    categories: all,
    statusSubresource: true,
    generation: true,
    selectable: ["status.successful"],
    inert: notRun("Job"),
  }),
  of("batch", "CronJob", "cronjobs", {
    shortNames: ["cj"],
    categories: all,
    statusSubresource: true,
    generation: true,
    inert: notRun("CronJob"),
  }),
  of("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", {
    versions: ["v2", "v1"],
    shortNames: ["hpa"],
    categories: all,
    statusSubresource: true,
    inert: "HorizontalPodAutoscaler is stored only: nothing here scales by it",
  }),
  of("policy", "PodDisruptionBudget", "poddisruptionbudgets", {
    shortNames: ["pdb"],
    statusSubresource: true,
    generation: true,
    inert: "PodDisruptionBudget is stored only: nothing here evicts pods",
  }),
];

const notServed = (kind: string): string => `${kind} is stored only: nothing here serves it`;
const notEnforced = (kind: string): string => `${kind} is stored only: nothing here enforces it`;
const notGranted = (kind: string): string =>
  `${kind} is stored only: access to this server follows a fixed policy`;

/** What surrounds workloads: stored as well. */
const surroundings: readonly Kind[] = [
  of("", "Node", "nodes", {
    shortNames: ["no"],
    namespaced: false,
    statusSubresource: true,
    selectable: ["spec.unschedulable"],
    inert: "Node is stored only: nothing here schedules onto it",
  }),
  of("", "Endpoints", "endpoints", {
    shortNames: ["ep"],
    inert: "Endpoints is stored only: the mesh reads EndpointSlice",
  }),
  of("", "LimitRange", "limitranges", { shortNames: ["limits"], inert: notEnforced("LimitRange") }),
  of("", "ResourceQuota", "resourcequotas", {
    shortNames: ["quota"],
    statusSubresource: true,
    inert: notEnforced("ResourceQuota"),
  }),
  of("", "PersistentVolume", "persistentvolumes", {
    shortNames: ["pv"],
    namespaced: false,
    statusSubresource: true,
    inert: notServed("PersistentVolume"),
  }),
  of("", "PersistentVolumeClaim", "persistentvolumeclaims", {
    shortNames: ["pvc"],
    statusSubresource: true,
    inert: notServed("PersistentVolumeClaim"),
  }),
  of("networking.k8s.io", "Ingress", "ingresses", {
    shortNames: ["ing"],
    statusSubresource: true,
    generation: true,
    inert: notServed("Ingress"),
  }),
  of("networking.k8s.io", "IngressClass", "ingressclasses", {
    namespaced: false,
    generation: true,
    inert: notServed("IngressClass"),
  }),
  of("networking.k8s.io", "NetworkPolicy", "networkpolicies", {
    shortNames: ["netpol"],
    generation: true,
    inert: notEnforced("NetworkPolicy"),
  }),
  ...(["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"] as const).map((kind) =>
    of("rbac.authorization.k8s.io", kind, `${kind.toLowerCase()}s`, {
      namespaced: !kind.startsWith("Cluster"),
      nameRule: "path",
      inert: notGranted(kind),
    }),
  ),
  of("storage.k8s.io", "StorageClass", "storageclasses", {
    shortNames: ["sc"],
    namespaced: false,
    inert: notServed("StorageClass"),
  }),
  of("storage.k8s.io", "CSIDriver", "csidrivers", { namespaced: false, inert: notServed("CSIDriver") }),
  of("storage.k8s.io", "CSINode", "csinodes", { namespaced: false, inert: notServed("CSINode") }),
  of("storage.k8s.io", "VolumeAttachment", "volumeattachments", {
    namespaced: false,
    statusSubresource: true,
    inert: notServed("VolumeAttachment"),
  }),
  of("scheduling.k8s.io", "PriorityClass", "priorityclasses", {
    shortNames: ["pc"],
    namespaced: false,
    generation: true,
    inert: "PriorityClass is stored only: nothing here schedules",
  }),
  of("node.k8s.io", "RuntimeClass", "runtimeclasses", {
    namespaced: false,
    inert: notRun("RuntimeClass"),
  }),
  of("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests", {
    shortNames: ["csr"],
    namespaced: false,
    statusSubresource: true,
    subresources: ["approval"],
    selectable: ["spec.signerName"],
    inert: "CertificateSigningRequest is stored only: nothing here signs it",
  }),
  ...(["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] as const).map((kind) =>
    of("admissionregistration.k8s.io", kind, `${kind.toLowerCase()}s`, {
      namespaced: false,
      generation: true,
      categories: ["api-extensions"],
      inert: `${kind} is stored only: this server calls no webhooks`,
    }),
  ),
  of("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", {
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    namespaced: false,
    statusSubresource: true,
    generation: true,
  }),
];

function of(group: string, kind: string, plural: string, more: Partial<KindDraft>): Kind {
  return builtIn({
    group,
    kind,
    plural,
    versions: ["v1"],
    columns: columns[kind] ?? workloadColumns[kind] ?? clusterColumns[kind] ?? [],
    ...more,
  });
}

export const kubernetesKinds: readonly Kind[] = [...read, ...workloads, ...surroundings];
