/** The mesh while it is being put together: each processor adds its part. */
import type {
  DestinationPolicy,
  HostRoutes,
  MeshConfig,
  MtlsMode,
  MtlsRule,
  RateLimit,
  Scopes,
  Service,
  SidecarScope,
  Visibility,
  Workload,
} from "../model/index.ts";
import { Field } from "./field.ts";
import { Report } from "./report.ts";
import type { KubeObject, KubeSnapshot } from "./snapshot.ts";

/** A PeerAuthentication, read. */
export interface PeerPolicy {
  readonly namespace: string;
  /** Absent: the whole namespace (the whole mesh in the root namespace). */
  readonly selector?: Readonly<Record<string, string>>;
  /** Absent: UNSET, what is around it holds. */
  readonly rule?: MtlsRule;
  readonly ports: Readonly<Record<number, MtlsRule | undefined>>;
  readonly report: Report;
}

/** Lists as in `exportTo`; empty: everyone. */
export interface ExportDefaults {
  readonly service: readonly string[];
  readonly virtualService: readonly string[];
  readonly destinationRule: readonly string[];
}

export interface Draft {
  readonly snapshot: KubeSnapshot;
  readonly defaultMtls: MtlsMode;
  config: MeshConfig;
  readonly workloads: Map<string, Workload>;
  /** By host. */
  readonly services: Map<string, Service>;
  readonly peerPolicies: PeerPolicy[];
  readonly policies: DestinationPolicy[];
  /** The same by host, once they are all read. */
  policyScopes: Scopes<DestinationPolicy>;
  readonly routes: HostRoutes[];
  readonly profiles: HostRoutes[];
  /** VirtualServices that some other delegates to. */
  readonly delegated: Set<KubeObject>;
  readonly scopes: SidecarScope[];
  readonly rateLimits: RateLimit[];
  /** Ports of WorkloadEntries by name, by key of the workload. */
  readonly workloadPorts: Map<string, ReadonlyMap<string, number>>;
  /** Where an object says nothing; from MeshConfig. */
  exportTo: ExportDefaults;
  readonly reports: Map<KubeObject, Report>;
}

export function reportOf(draft: Pick<Draft, "reports">, object: KubeObject): Report {
  const report = draft.reports.get(object) ?? new Report(object);
  draft.reports.set(object, report);
  return report;
}

/** The root of reading: fields get paths like `spec.hosts`. */
export function rootField(object: KubeObject, report: Report): Field {
  return new Field(object, "", report);
}

export function serviceHost(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}

/**
 * The host that a manifest of `namespace` means: a short name is a service of its namespace (Istio's rule);
 * `name.ns` and `name.ns.svc` are completed where such a service exists; anything else is taken as it is.
 */
export function resolveHost(draft: Draft, host: string, namespace: string): string {
  const name = host.toLowerCase().replace(/\.$/, "");
  const domain = draft.config.clusterDomain;
  if (!name.includes(".")) return name === "*" ? name : serviceHost(name, namespace, domain);
  if (draft.services.has(name)) return name;
  const completed = [`${name}.svc.${domain}`, `${name}.${domain}`].find((h) => draft.services.has(h));
  return completed ?? name;
}

/** exportTo: `*` is everyone, `.` the object's own namespace, `~` nobody; empty: what `otherwise` says. */
export function visibilityOf(
  given: readonly string[],
  namespace: string,
  otherwise: readonly string[] = [],
): Visibility {
  const names = given.length > 0 ? given : otherwise;
  if (names.length === 0 || names.includes("*")) return "all";
  return [...new Set(names.filter((n) => n !== "~").map((n) => (n === "." ? namespace : n)))].sort();
}
