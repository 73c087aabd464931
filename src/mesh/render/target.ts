/** A part of a service that requests are sent to: what one cluster stands for. */

import type { Origin } from "../model/index.ts";
import {
  carries,
  carriesOut,
  type DestinationPolicy,
  type Endpoint,
  type Mesh,
  mtlsFor,
  policyFor,
  type Scopes,
  type Service,
  type ServicePort,
  type Subset,
  scopesOf,
  subsetOf,
  type TrafficPolicy,
  type Workload,
} from "../model/index.ts";
import type { RuleIndex } from "./compose.ts";
import { outboundCluster } from "./names.ts";
import type { ProxyNode } from "./types.ts";

/** Lookups of one mesh. */
export interface MeshIndex extends RuleIndex {
  readonly mesh: Mesh;
  readonly policies: Scopes<DestinationPolicy>;
  readonly services: ReadonlyMap<string, Service>;
  readonly workloads: ReadonlyMap<string, Workload>;
  /** By key of a workload: the endpoints that it is. Made when first asked for. */
  readonly served: () => ReadonlyMap<string, readonly Served[]>;
  /** By `namespace address`; of several the first. Made when first asked for. */
  readonly placed: () => ReadonlyMap<string, Workload>;
}

/** An endpoint with what it belongs to. */
export interface Served {
  readonly service: Service;
  readonly port: ServicePort;
  readonly endpoint: Endpoint;
}

export function indexMesh(mesh: Mesh): MeshIndex {
  return {
    mesh,
    routes: scopesOf(mesh.routes),
    profiles: scopesOf(mesh.profiles),
    policies: scopesOf(mesh.policies),
    services: new Map(mesh.services.map((s) => [s.host, s])),
    workloads: new Map(mesh.workloads.map((w) => [w.key, w])),
    served: once(() => servedBy(mesh)),
    placed: once(() => new Map(mesh.workloads.toReversed().map((w) => [`${w.namespace} ${w.address}`, w]))),
  };
}

export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function servedBy(mesh: Mesh): ReadonlyMap<string, readonly Served[]> {
  const served = new Map<string, Served[]>();
  for (const service of mesh.services)
    for (const port of service.ports)
      for (const endpoint of port.endpoints) {
        const one = { service, port, endpoint };
        const known = served.get(endpoint.workload);
        if (known === undefined) served.set(endpoint.workload, [one]);
        else known.push(one);
      }
  return served;
}

export interface Target {
  readonly name: string;
  readonly service: Service;
  readonly port: ServicePort;
  readonly subset: string;
  readonly policy: TrafficPolicy;
  /** Object that shapes it: its policy, else the service. */
  readonly origin: Origin;
  readonly members: readonly Member[];
  /** A profile's budget bounds its retries, so that the breaker need not. */
  readonly budgeted: boolean;
}

export interface Member {
  readonly endpoint: Endpoint;
  readonly workload: Workload;
  /** Reached by mutual TLS on the mesh port. */
  readonly secure: boolean;
}

export interface TargetQuestion {
  readonly service: Service;
  readonly port: ServicePort;
  readonly subset: string;
  readonly clientNamespace: string;
  readonly clientLabels: Readonly<Record<string, string>>;
  readonly budgeted: boolean;
  /** Whose; default Weft's proxy. */
  readonly kind?: ProxyNode["kind"];
  /** Only this workload of them, in place of a subset. */
  readonly endpoint?: string;
}

/** What callers of a namespace make of a target: with the same policy it is the same target. */
export function policyOf(index: MeshIndex, question: TargetQuestion): DestinationPolicy | undefined {
  const { service, clientNamespace, clientLabels } = question;
  return policyFor(index.policies, {
    host: service.host,
    serviceNamespace: service.namespace,
    clientNamespace,
    clientLabels,
    rootNamespace: index.mesh.config.rootNamespace,
  });
}

/** Not the mesh's mutual TLS. */
const outside: ReadonlySet<string | undefined> = new Set(["plain", "simple", "mutual"]);

/** Without TLS of the user's where the proxy cannot begin it: gRPC clients know no such thing. */
function understood(policy: TrafficPolicy, kind: ProxyNode["kind"] = "weft"): TrafficPolicy {
  const foreign = policy.security?.kind === "simple" || policy.security?.kind === "mutual";
  if (!foreign || (kind !== "grpc" && carriesOut(kind, "tls-origination"))) return policy;
  const { security: _, ...rest } = policy;
  return rest;
}

/** What holds for a port and a subset: the subset's parts go before the host's, a port's before both. */
export function policyAt(
  policy: DestinationPolicy | undefined,
  port: number,
  subset: string,
): { readonly merged: TrafficPolicy; readonly ofSubset: TrafficPolicy; readonly defined?: Subset } {
  const defined = subset === "" ? undefined : policy?.subsets.find((s) => s.name === subset);
  const around = policy?.ports[port] ?? policy?.policy ?? {};
  const ofSubset = defined?.ports[port] ?? defined?.policy ?? {};
  return { merged: { ...around, ...ofSubset }, ofSubset, ...(defined && { defined }) };
}

export function targetOf(
  index: MeshIndex,
  question: TargetQuestion,
  policy: DestinationPolicy | undefined,
): Target {
  const { service, port, subset, budgeted } = question;
  const chosen = question.endpoint !== undefined ? "" : subset;
  const { labels } = chosen === "" ? { labels: {} } : subsetOf(policy, chosen);
  const { merged: asked, ofSubset: own, defined } = policyAt(policy, port.port, chosen);
  const merged = understood(asked, question.kind);
  const members: Member[] = [];
  for (const endpoint of port.endpoints) {
    const workload = index.workloads.get(endpoint.workload);
    if (workload === undefined || !carries(workload.labels, labels)) continue;
    if (question.endpoint !== undefined && question.endpoint !== endpoint.workload) continue;
    const accepts = mtlsFor(workload.authentication, endpoint.port).mode !== "disable";
    members.push({
      endpoint,
      workload,
      secure: !outside.has(merged.security?.kind) && workload.sidecar && accepts,
    });
  }
  const origin =
    (Object.keys(own).length > 0 ? defined?.origin : undefined) ?? policy?.origin ?? service.origin;
  return {
    name: outboundCluster(port.port, subset, service.host),
    service,
    port,
    subset,
    policy: merged,
    origin,
    members,
    budgeted,
  };
}
