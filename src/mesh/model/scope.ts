/** What a proxy is told of. */
import { carries, hostMatches } from "./lookup.ts";
import type { ConnectionPool } from "./policy.ts";
import { type Origin, visibleTo } from "./ref.ts";
import type { Service } from "./service.ts";

export interface SidecarScope {
  readonly namespace: string;
  /** Absent: every workload of the namespace; of all in the root namespace. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Absent: everything that is exported to the namespace. Namespace `*` is any, `~` none. */
  readonly hosts?: readonly { readonly namespace: string; readonly host: string }[];
  /** Absent: the mesh's. */
  readonly outbound?: "allow-any" | "registry-only";
  /** Limits before the workload's application. */
  readonly inbound?: ConnectionPool;
  readonly origin: Origin;
}

/** One that selects the workload, else its namespace's, else the mesh's. */
export function scopeFor(
  scopes: readonly SidecarScope[],
  workload: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
  rootNamespace: string,
): SidecarScope | undefined {
  const own = scopes.filter((s) => s.namespace === workload.namespace);
  return (
    own.find((s) => s.selector !== undefined && carries(workload.labels, s.selector)) ??
    own.find((s) => s.selector === undefined) ??
    scopes.find((s) => s.namespace === rootNamespace && s.selector === undefined)
  );
}

/** Whether callers of a namespace, under a scope, see a host of a namespace. */
export function inScope(scope: SidecarScope | undefined, host: string, namespace: string): boolean {
  if (scope?.hosts === undefined) return true;
  return scope.hosts.some(
    (h) =>
      (h.namespace === "*" || h.namespace === namespace) && (h.host === "*" || hostMatches(h.host, host)),
  );
}

export function sees(
  caller: { readonly namespace: string; readonly scope?: SidecarScope },
  service: Pick<Service, "host" | "namespace" | "visibility">,
): boolean {
  return (
    visibleTo(service.visibility, caller.namespace) && inScope(caller.scope, service.host, service.namespace)
  );
}
