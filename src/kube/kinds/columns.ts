/** What `kubectl get` shows of each kind, beside NAME and AGE. */
import type {
  ConfigMap,
  EndpointSlice,
  Event,
  KubeObject,
  Lease,
  Namespace,
  Secret,
  Service,
} from "./types.ts";

/** A cell of type `date` holds a time; the server renders it as an age. */
export interface ColumnDefinition {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly description: string;
  /** Shown only with `-o wide`. */
  readonly wide?: boolean;
  /** Where a CustomResourceDefinition finds the cell; kinds that a cluster does not serve itself have it. */
  readonly jsonPath?: string;
  readonly value: (object: KubeObject) => string | number | undefined;
}

function column<T extends KubeObject>(
  name: string,
  description: string,
  value: (object: T) => string | number | undefined,
  more: Partial<Pick<ColumnDefinition, "type" | "wide">> = {},
): ColumnDefinition {
  return { name, type: "string", description, value: (object) => value(object as T), ...more };
}

/** A column as a CustomResourceDefinition can say it: scalars as they are, lists and objects as JSON. */
function at(
  name: string,
  description: string,
  jsonPath: string,
  more: Partial<Pick<ColumnDefinition, "type" | "wide">> = {},
): ColumnDefinition {
  const steps = jsonPath.split(".").slice(1);
  const value = (object: KubeObject): string | number | undefined => {
    let found: unknown = object;
    for (const step of steps)
      found = found !== null && typeof found === "object" ? (found as KubeObject)[step] : undefined;
    if (found === undefined || found === null) return undefined;
    return typeof found === "string" || typeof found === "number" ? found : JSON.stringify(found);
  };
  return { name, type: "string", description, jsonPath, value, ...more };
}

const count = (value: unknown): number =>
  value !== null && typeof value === "object" ? Object.keys(value).length : 0;
const list = (values: readonly string[] | undefined, none = "<none>"): string =>
  values?.length ? values.join(",") : none;
const shortList = (values: readonly (string | undefined)[], none = "<unset>"): string => {
  const shown = values.slice(0, 3).join(",");
  if (values.length === 0) return none;
  return values.length > 3 ? `${shown} + ${values.length - 3} more...` : shown;
};
const pairs = (labels: Readonly<Record<string, string>> | undefined): string =>
  list(Object.entries(labels ?? {}).map(([k, v]) => `${k}=${v}`));

export const columns: Readonly<Record<string, readonly ColumnDefinition[]>> = {
  Namespace: [column<Namespace>("Status", "The phase of the namespace.", (o) => o.status?.phase ?? "Active")],
  Service: [
    column<Service>("Type", "How the service is reached.", (o) => o.spec?.type),
    column<Service>("Cluster-IP", "Address of the service.", (o) => o.spec?.clusterIP ?? "<none>"),
    column<Service>("External-IP", "Name outside the mesh.", (o) => o.spec?.externalName ?? "<none>"),
    column<Service>("Port(s)", "Ports and protocols.", (o) =>
      list(
        o.spec?.ports?.map((p) => `${p.port}${p.nodePort ? `:${p.nodePort}` : ""}/${p.protocol ?? "TCP"}`),
      ),
    ),
    column<Service>("Selector", "Labels of the workloads behind it.", (o) => pairs(o.spec?.selector), {
      wide: true,
    }),
  ],
  ServiceAccount: [column("Secrets", "Number of secrets.", (o) => count(o["secrets"]), { type: "integer" })],
  Secret: [
    column<Secret>("Type", "What the secret is for.", (o) => o.type),
    column<Secret>("Data", "Number of entries.", (o) => count(o.data), { type: "integer" }),
  ],
  ConfigMap: [
    column<ConfigMap>("Data", "Number of entries.", (o) => count(o.data) + count(o.binaryData), {
      type: "integer",
    }),
  ],
  Event: [
    column<Event>("Last Seen", "When it last happened.", lastSeen, { type: "date" }),
    column<Event>("Type", "Normal or Warning.", (o) => o.type),
    column<Event>("Reason", "Machine-readable reason.", (o) => o.reason),
    column<Event>("Object", "What it is about.", (o) => subject(o)),
    column<Event>("Message", "What happened.", (o) =>
      (o.message ?? (o["note"] as string | undefined))?.trim(),
    ),
  ],
  Lease: [column<Lease>("Holder", "Who holds the lease.", (o) => o.spec?.holderIdentity)],
  EndpointSlice: [
    column<EndpointSlice>("AddressType", "Kind of the addresses.", (o) => o.addressType),
    column<EndpointSlice>("Ports", "Ports of the endpoints.", (o) =>
      shortList((o.ports ?? []).map((p) => String(p.port ?? "*"))),
    ),
    column<EndpointSlice>("Endpoints", "Addresses.", (o) =>
      shortList((o.endpoints ?? []).flatMap((e) => e.addresses)),
    ),
  ],
  VirtualService: [
    at("Gateways", "Gateways and sidecars that obey it.", ".spec.gateways"),
    at("Hosts", "Hosts whose traffic it rules.", ".spec.hosts"),
  ],
  DestinationRule: [at("Host", "The service it is about.", ".spec.host")],
  WorkloadEntry: [
    at("Address", "Address of the workload.", ".spec.address"),
    at("Service Account", "Identity of the workload.", ".spec.serviceAccount", { wide: true }),
  ],
  PeerAuthentication: [at("Mode", "Mutual TLS mode.", ".spec.mtls.mode")],
};

function subject(event: Event): string {
  const about = event.involvedObject ?? (event["regarding"] as Event["involvedObject"] | undefined);
  return `${(about?.kind ?? "").toLowerCase()}/${about?.name ?? ""}`;
}

function lastSeen(event: Event): string | undefined {
  const series = event["series"] as { lastObservedTime?: string } | undefined;
  return (
    series?.lastObservedTime ??
    event.lastTimestamp ??
    (event["deprecatedLastTimestamp"] as string | undefined) ??
    event.eventTime ??
    event.metadata.creationTimestamp
  );
}
