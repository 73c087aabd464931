/** What `kubectl get` shows of each kind, beside NAME and AGE. */
import { compileJsonPath } from "./json-path.ts";
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
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  /** OpenAPI's format of the type. */
  readonly format?: string;
  readonly description: string;
  /** What a missing date shows; `<unknown>` where absent. */
  readonly none?: string;
  /** Shown only with `-o wide`. */
  readonly wide?: boolean;
  /** Where a CustomResourceDefinition finds the cell; kinds that a cluster does not serve itself have it. */
  readonly jsonPath?: string;
  readonly value: (object: KubeObject) => string | number | boolean | undefined;
}

export function column<T extends KubeObject>(
  name: string,
  description: string,
  value: (object: T) => string | number | undefined,
  more: Partial<Pick<ColumnDefinition, "type" | "wide" | "none">> = {},
): ColumnDefinition {
  return { name, type: "string", description, value: (object) => value(object as T), ...more };
}

/** A column that shows the first value of a JSONPath, as custom resources have them. Throws where it is malformed. */
export function pathColumn(
  name: string,
  path: string,
  more: Partial<Omit<ColumnDefinition, "name" | "value">> = {},
): ColumnDefinition {
  const find = compileJsonPath(path);
  const type = more.type ?? "string";
  return {
    name,
    description: `The value at ${path}.`,
    type,
    jsonPath: path,
    ...more,
    value: (object) => cell(find(object)[0], type),
  };
}

function cell(value: unknown, type: ColumnDefinition["type"]): string | number | boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (type === "integer") return typeof value === "number" ? Math.trunc(value) : undefined;
  if (type === "number") return typeof value === "number" ? value : undefined;
  if (type === "boolean") return typeof value === "boolean" ? value : undefined;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export const count = (value: unknown): number =>
  value !== null && typeof value === "object" ? Object.keys(value).length : 0;
export const list = (values: readonly string[] | undefined, none = "<none>"): string =>
  values?.length ? values.join(",") : none;
const shortList = (values: readonly (string | undefined)[], none = "<unset>"): string => {
  const shown = values.slice(0, 3).join(",");
  if (values.length === 0) return none;
  return values.length > 3 ? `${shown} + ${values.length - 3} more...` : shown;
};
export const pairs = (labels: Readonly<Record<string, string>> | undefined): string =>
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
  ServiceAccount: [column("Secrets", "Number of secrets.", (o) => count(o["secrets"]))],
  Secret: [
    column<Secret>("Type", "What the secret is for.", (o) => o.type),
    column<Secret>("Data", "Number of entries.", (o) => count(o.data)),
  ],
  ConfigMap: [column<ConfigMap>("Data", "Number of entries.", (o) => count(o.data) + count(o.binaryData))],
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
    pathColumn("Gateways", ".spec.gateways", { description: "Gateways and sidecars that obey it." }),
    pathColumn("Hosts", ".spec.hosts", { description: "Hosts whose traffic it rules." }),
  ],
  DestinationRule: [pathColumn("Host", ".spec.host", { description: "The service it is about." })],
  WorkloadEntry: [
    pathColumn("Address", ".spec.address", { description: "Address of the workload." }),
    pathColumn("Service Account", ".spec.serviceAccount", {
      description: "Identity of the workload.",
      wide: true,
    }),
  ],
  PeerAuthentication: [pathColumn("Mode", ".spec.mtls.mode", { description: "Mutual TLS mode." })],
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
