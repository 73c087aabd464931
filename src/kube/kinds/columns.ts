/** What `kubectl get` shows of each kind, beside NAME and AGE. */
import type { DestinationRule, PeerAuthentication, VirtualService, WorkloadEntry } from "./istio-types.ts";
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
    column<VirtualService>("Gateways", "Gateways and sidecars that obey it.", (o) => json(o.spec?.gateways)),
    column<VirtualService>("Hosts", "Hosts whose traffic it rules.", (o) => json(o.spec?.hosts)),
  ],
  DestinationRule: [column<DestinationRule>("Host", "The service it is about.", (o) => o.spec?.host)],
  WorkloadEntry: [
    column<WorkloadEntry>("Address", "Address of the workload.", (o) => o.spec?.address),
    column<WorkloadEntry>("Service Account", "Identity of the workload.", (o) => o.spec?.serviceAccount, {
      wide: true,
    }),
  ],
  PeerAuthentication: [column<PeerAuthentication>("Mode", "Mutual TLS mode.", (o) => o.spec?.mtls?.mode)],
  ServiceProfile: [
    column(
      "Routes",
      "Number of routes.",
      (o) => count((o.spec as { routes?: unknown } | undefined)?.routes),
      {
        type: "integer",
      },
    ),
  ],
};

const json = (values: readonly string[] | undefined): string | undefined => values && JSON.stringify(values);

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
