/** Service + EndpointSlice, and Service selecting WorkloadEntry -> services with their endpoints. */
import { isIP } from "node:net";
import type { Endpoint, Protocol, Service, ServicePort } from "../model/index.ts";
import { type Draft, reportOf, serviceHost, visibilityOf } from "./draft.ts";
import { Field } from "./field.ts";
import { protocolOf } from "./protocol.ts";
import { type KubeObject, namespaceOf, objectsOf } from "./snapshot.ts";
import { type EntryWorkload, endpointWorkload, processWorkloadEntries } from "./workloads.ts";

const serviceNameLabel = "kubernetes.io/service-name";
const exportToAnnotation = "networking.istio.io/exportTo";

/** A sidecar's own listeners on the workload's address; DESIGN 6. */
const sidecarPorts: readonly number[] = [15000, 15001, 15008, 15020, 15021];

interface PortSpec {
  readonly port: number;
  readonly name: string;
  readonly protocol: Protocol;
  readonly target: number | string;
  readonly field: Field;
}

interface Sources {
  readonly entriesByNamespace: ReadonlyMap<string, readonly EntryWorkload[]>;
  readonly slicesByService: ReadonlyMap<string, readonly KubeObject[]>;
  readonly pods: ReadonlyMap<string, KubeObject>;
}

export function processServices(draft: Draft): void {
  const sources: Sources = {
    entriesByNamespace: Map.groupBy(processWorkloadEntries(draft), (e) => e.workload.namespace),
    slicesByService: Map.groupBy(
      objectsOf(draft.snapshot, "EndpointSlice"),
      (o) => `${namespaceOf(o)}/${o.metadata.labels?.[serviceNameLabel] ?? ""}`,
    ),
    pods: new Map(objectsOf(draft.snapshot, "Pod").map((o) => [`${namespaceOf(o)}/${o.metadata.name}`, o])),
  };
  for (const object of objectsOf(draft.snapshot, "Service")) {
    const service = readService(draft, object, sources);
    if (service !== undefined) draft.services.set(service.host, service);
  }
}

function readService(draft: Draft, object: KubeObject, sources: Sources): Service | undefined {
  const report = reportOf(draft, object);
  const spec = new Field(object, "", report).at("spec").object();
  if (spec.at("type").text() === "ExternalName") {
    spec.at("type").ignored("ExternalName services are not part of the mesh yet");
    return undefined;
  }
  const { name } = object.metadata;
  const namespace = namespaceOf(object);
  const clusterIp = spec.at("clusterIP").text();
  const ips = spec.at("clusterIPs").texts();
  const addresses = [...new Set([...ips, ...(clusterIp ? [clusterIp] : [])])].filter((ip) => isIP(ip) !== 0);
  const exported = object.metadata.annotations?.[exportToAnnotation];
  const ports = readPorts(spec.at("ports")).map(
    (p): ServicePort => ({
      port: p.port,
      name: p.name,
      protocol: p.protocol,
      endpoints: sortEndpoints([
        ...entryEndpoints(spec.at("selector"), p, sources.entriesByNamespace.get(namespace) ?? []),
        ...sliceEndpoints(draft, p, sources.slicesByService.get(`${namespace}/${name}`) ?? [], sources.pods),
      ]),
    }),
  );
  return {
    host: serviceHost(name, namespace, draft.config.clusterDomain),
    name,
    namespace,
    headless: clusterIp === "None",
    addresses,
    ports,
    visibility: visibilityOf(
      exported === undefined ? [] : exported.split(",").map((s) => s.trim()),
      namespace,
      draft.exportTo.service,
    ),
    origin: report.origin(),
  };
}

function readPorts(field: Field): readonly PortSpec[] {
  const ports: PortSpec[] = [];
  for (const item of field.items()) {
    const port = item.at("port").integer(1, 65535);
    if (port === undefined || item.at("protocol").text() === "UDP" || item.at("protocol").text() === "SCTP")
      continue;
    if (ports.some((p) => p.port === port)) continue;
    const name = item.at("name").text() ?? "";
    const target = item.at("targetPort");
    ports.push({
      port,
      name,
      protocol: protocolOf(name, item.at("appProtocol").text(), port, item),
      field: item,
      target: typeof target.value === "number" || typeof target.value === "string" ? target.value : port,
    });
  }
  return ports.sort((a, b) => a.port - b.port);
}

function entryEndpoints(selector: Field, port: PortSpec, entries: readonly EntryWorkload[]): Endpoint[] {
  const wanted = selector.entries();
  if (wanted.length === 0) return [];
  return entries
    .filter(({ workload }) => wanted.every(([key, value]) => workload.labels[key] === value.value))
    .flatMap(({ workload, ports }) => {
      const { target } = port;
      const named = ports.get(port.name) ?? (typeof target === "string" ? ports.get(target) : undefined);
      const number = named ?? (typeof target === "number" ? target : port.port);
      if (workload.sidecar && sidecarPorts.includes(number)) {
        port.field.unresolved({
          code: "sidecar-port",
          message: `port ${number} of ${workload.key} is its sidecar's own: it is left out of the service`,
          fix: `use a port other than ${sidecarPorts.join(", ")}`,
        });
        return [];
      }
      const { key, address, ready, draining, weight } = workload;
      return [{ workload: key, address, port: number, ready, draining, weight }];
    });
}

function sliceEndpoints(
  draft: Draft,
  port: PortSpec,
  slices: readonly KubeObject[],
  pods: Sources["pods"],
): Endpoint[] {
  const found: Endpoint[] = [];
  for (const slice of slices) {
    const root = new Field(slice, "", reportOf(draft, slice));
    const match = root
      .at("ports")
      .items()
      .find((p) => (p.at("name").text() ?? "") === port.name);
    const number = match?.at("port").integer(1, 65535);
    if (number === undefined || root.at("addressType").text() === "FQDN") continue;
    for (const item of root.at("endpoints").items()) {
      const target = item.at("targetRef").object();
      const conditions = item.at("conditions").object();
      const terminating = conditions.at("terminating").bool() ?? false;
      const pod = pods.get(`${namespaceOf(slice)}/${target.at("name").text() ?? ""}`);
      for (const address of item.at("addresses").texts()) {
        if (isIP(address) === 0) continue;
        const zone = item.at("zone").text() ?? "";
        const workload = endpointWorkload(draft, {
          namespace: namespaceOf(slice),
          address,
          pod,
          slice,
          zone,
        });
        found.push({
          workload: workload.key,
          address,
          port: number,
          ready: conditions.at("ready").bool() ?? true,
          draining: terminating,
          weight: workload.weight,
        });
      }
    }
  }
  return found;
}

function sortEndpoints(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const seen = new Set<string>();
  return endpoints
    .filter((e) => {
      const key = `${e.address}:${e.port}`;
      return !seen.has(key) && seen.add(key);
    })
    .sort((a, b) => (a.address === b.address ? a.port - b.port : a.address < b.address ? -1 : 1));
}
