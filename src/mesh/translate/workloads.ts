/** WorkloadEntry, Pod and bare endpoint addresses -> workloads. */
import { isIP } from "node:net";
import type { Workload } from "../model/index.ts";
import { type Draft, reportOf } from "./draft.ts";
import { Field } from "./field.ts";
import { maxWorkloadWeight } from "./limits.ts";
import { authenticationOf } from "./peer-authentication.ts";
import { type KubeObject, namespaceOf, objectsOf } from "./snapshot.ts";

const sidecarLabel = "security.istio.io/tlsMode";
const managedLabel = "weft.dev/managed";
/** Where sidecars take mutual TLS; DESIGN 6. */
export const defaultMeshPort = 15008;

type Facts = Pick<
  Workload,
  "name" | "namespace" | "address" | "labels" | "serviceAccount" | "origin" | "ready" | "draining"
> &
  Partial<Workload>;

/** Adds a workload, with what PeerAuthentications ask of its callers. */
export function addWorkload(draft: Draft, facts: Facts): Workload {
  const taken = draft.workloads.has(`${facts.namespace}/${facts.name}`);
  const name = taken ? `${facts.name}@${facts.address}` : facts.name;
  const workload: Workload = {
    sidecar: facts.labels[sidecarLabel] === "istio",
    meshPort: defaultMeshPort,
    appPorts: {},
    weight: 1,
    locality: "",
    network: "",
    cluster: draft.config.clusterId,
    authentication: authenticationOf(draft, facts.namespace, facts.labels),
    ...facts,
    name,
    key: `${facts.namespace}/${name}`,
  };
  draft.workloads.set(workload.key, workload);
  return workload;
}

/** Ports of a WorkloadEntry by name. */
export type NamedPorts = ReadonlyMap<string, number>;

export interface EntryWorkload {
  readonly workload: Workload;
  readonly ports: NamedPorts;
}

/** All WorkloadEntries with an address. Unmanaged ones are ready unless annotated otherwise. */
export function processWorkloadEntries(draft: Draft): readonly EntryWorkload[] {
  return objectsOf(draft.snapshot, "WorkloadEntry").flatMap((object) => entryWorkload(draft, object) ?? []);
}

function entryWorkload(draft: Draft, object: KubeObject): EntryWorkload | undefined {
  const report = reportOf(draft, object);
  const spec = new Field(object, "", report).at("spec").object();
  const address = spec.at("address").requiredText();
  if (address !== undefined && isIP(address) === 0) {
    spec.at("address").unresolved({
      code: "not-supported",
      message: `${JSON.stringify(address)} is no IP address: names are not resolved yet, the workload is left out`,
    });
    return undefined;
  }
  const ports = new Map<string, number>();
  for (const [name, field] of spec.at("ports").entries()) {
    const port = field.integer(1, 65535);
    if (port !== undefined) ports.set(name, port);
  }
  const labels: Record<string, string> = { ...object.metadata.labels };
  for (const [name, field] of spec.at("labels").entries()) labels[name] = field.text() ?? "";
  const facts = {
    name: object.metadata.name,
    namespace: namespaceOf(object),
    labels,
    serviceAccount: spec.at("serviceAccount").text() ?? "default",
    weight: spec.at("weight").integer(1, maxWorkloadWeight) ?? 1,
    locality: spec.at("locality").text() ?? "",
    network: spec.at("network").text() ?? "",
    origin: report.origin(),
    ...annotated(object, [...ports.values()]),
  };
  if (report.invalid || address === undefined || spec.value === undefined) return undefined;
  const workload = addWorkload(draft, { ...facts, address });
  draft.workloadPorts.set(workload.key, ports);
  return { workload, ports };
}

/** What `weft run` keeps in annotations. `weft.dev/app-port`: one number, or `published=private` by comma. */
function annotated(
  object: KubeObject,
  ports: readonly number[],
): Pick<Workload, "ready" | "draining" | "appPorts" | "meshPort"> {
  const annotations = object.metadata.annotations ?? {};
  const managed = object.metadata.labels?.[managedLabel] === "true";
  const appPorts: Record<number, number> = {};
  for (const pair of (annotations["weft.dev/app-port"] ?? "").split(",")) {
    const [a, b] = pair.split("=").map(Number);
    if (a !== undefined && b === undefined && a > 0) for (const port of ports) appPorts[port] = a;
    else if (a !== undefined && b !== undefined && a > 0 && b > 0) appPorts[a] = b;
  }
  const meshPort = Number(annotations["weft.dev/mesh-port"]);
  return {
    ready: managed ? annotations["weft.dev/ready"] === "true" : annotations["weft.dev/ready"] !== "false",
    draining: annotations["weft.dev/draining"] === "true",
    appPorts,
    meshPort: Number.isInteger(meshPort) && meshPort > 0 && meshPort < 65536 ? meshPort : defaultMeshPort,
  };
}

/** Workload of an EndpointSlice's address: its pod where it is known, else the bare address. */
export function endpointWorkload(
  draft: Draft,
  at: { namespace: string; address: string; pod?: KubeObject | undefined; slice: KubeObject; zone: string },
): Workload {
  const name = at.pod?.metadata.name ?? at.address;
  const known = draft.workloads.get(`${at.namespace}/${name}`);
  if (known !== undefined && known.address === at.address) return known;
  const report = reportOf(draft, at.pod ?? at.slice);
  const spec = new Field(at.pod ?? {}, "", report).at("spec");
  return addWorkload(draft, {
    name,
    namespace: at.namespace,
    address: at.address,
    labels: at.pod?.metadata.labels ?? {},
    serviceAccount: spec.at("serviceAccountName").text() ?? "default",
    ready: true,
    draining: false,
    locality: at.zone,
    origin: report.origin(),
  });
}
