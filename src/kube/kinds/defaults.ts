/** Core defaulting: what Kubernetes fills in where the author is silent. Pure; returns a new object. */
import { type Definition, defaultDefinition } from "./definition.ts";
import type { Kind } from "./kind.ts";
import type { KubeObject, ServicePort, ServiceSpec } from "./types.ts";
import { workloadDefaults } from "./workload-defaults.ts";

/** Applies the defaults of the kind. Addresses are not allotted here: that needs the store. */
export function applyDefaults(kind: Kind, object: KubeObject): KubeObject {
  if (kind.custom) return object;
  const apply = defaults[kind.kind] ?? workloadDefaults[kind.kind];
  return apply ? apply(object) : object;
}

const defaults: Readonly<Record<string, (object: KubeObject) => KubeObject>> = {
  CustomResourceDefinition: (o) => (o.spec ? (defaultDefinition(o as Definition) as KubeObject) : o),
  Namespace: (o) => ({
    ...o,
    metadata: {
      ...o.metadata,
      labels: { ...o.metadata.labels, "kubernetes.io/metadata.name": o.metadata.name },
    },
    spec: { finalizers: ["kubernetes"], ...(o.spec as object | undefined) },
    status: { phase: "Active", ...(o.status as object | undefined) },
  }),
  Service: (o) => ({
    ...o,
    spec: service((o.spec ?? {}) as ServiceSpec),
    status: o.status ?? { loadBalancer: {} },
  }),
  // Go writes these even where nobody said anything.
  Event: (o) =>
    o.apiVersion === "v1"
      ? {
          ...{ source: {}, firstTimestamp: null, lastTimestamp: null, eventTime: null },
          ...{ reportingComponent: "", reportingInstance: "" },
          ...o,
        }
      : o,
  Secret: secret,
  EndpointSlice: (o) => ({
    ...o,
    endpoints: ((o["endpoints"] ?? []) as object[]).map((e) => ({ conditions: {}, ...e })),
    ...(o["ports"]
      ? { ports: (o["ports"] as object[]).map((p) => ({ name: "", protocol: "TCP", ...p })) }
      : {}),
  }),
};

function service(spec: ServiceSpec): ServiceSpec {
  const type = spec.type ?? "ClusterIP";
  const ports = spec.ports?.map(
    (p): ServicePort => ({ ...p, protocol: p.protocol ?? "TCP", targetPort: p.targetPort ?? p.port }),
  );
  const common = { ...spec, ...(ports && { ports }), sessionAffinity: spec.sessionAffinity ?? "None", type };
  if (type === "ExternalName") return common;
  return {
    ...common,
    internalTrafficPolicy: spec.internalTrafficPolicy ?? "Cluster",
    ...(type !== "ClusterIP" && { externalTrafficPolicy: spec.externalTrafficPolicy ?? "Cluster" }),
    ipFamilies: spec.ipFamilies ?? ["IPv4"],
    ipFamilyPolicy: spec.ipFamilyPolicy ?? "SingleStack",
  };
}

/** `stringData` is written only: it lands in `data` as base64 and wins over what stood there. */
function secret(o: KubeObject): KubeObject {
  const { stringData, ...rest } = o as KubeObject & { stringData?: Record<string, string> | null };
  const written = Object.entries(stringData ?? {}).map(
    ([key, value]) => [key, Buffer.from(value, "utf8").toString("base64")] as const,
  );
  return {
    ...rest,
    type: (o["type"] as string | undefined) ?? "Opaque",
    ...(written.length > 0 && {
      data: { ...(o["data"] as object | undefined), ...Object.fromEntries(written) },
    }),
  };
}
