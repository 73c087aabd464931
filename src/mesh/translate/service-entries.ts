/** ServiceEntry -> services: hosts outside the mesh, and hosts of the mesh that no Kubernetes Service names. */
import { isIP } from "node:net";
import type { Endpoint, Protocol, Service, ServicePort, Workload } from "../model/index.ts";
import { type Draft, reportOf, rootField, visibilityOf } from "./draft.ts";
import type { Field } from "./field.ts";
import { maxWorkloadWeight } from "./limits.ts";
import { protocolOf } from "./protocol.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";
import { addWorkload } from "./workloads.ts";

const resolutions = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] as const;
type Resolution = (typeof resolutions)[number];
const words: Readonly<Record<string, Protocol>> = {
  HTTP: "http",
  HTTP2: "http2",
  GRPC: "grpc",
  "GRPC-WEB": "http",
  HTTPS: "https",
  TLS: "tls",
  TCP: "tcp",
  MONGO: "tcp",
  REDIS: "tcp",
  MYSQL: "tcp",
};
const hostName = /^(\*\.)?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$/;

interface Entry {
  readonly object: KubeObject;
  readonly spec: Field;
  readonly resolution: Resolution;
  readonly external: boolean;
  readonly addresses: readonly string[];
  readonly ports: readonly PortSpec[];
}

interface PortSpec {
  readonly port: number;
  readonly name: string;
  readonly protocol: Protocol;
  readonly target: number;
}

/** Of two objects for one host the older holds; a Kubernetes Service goes before both. */
export function processServiceEntries(draft: Draft): void {
  for (const object of oldestFirst(objectsOf(draft.snapshot, "ServiceEntry"))) {
    const entry = readEntry(draft, object);
    const hosts = readHosts(rootField(object, reportOf(draft, object)).at("spec").at("hosts"), entry);
    if (entry === undefined || reportOf(draft, object).invalid) continue;
    const workloads = workloadsOf(draft, entry, hosts[0]?.host ?? "");
    for (const { host, field } of hosts) {
      const other = draft.services.get(host);
      if (other === undefined) draft.services.set(host, serviceOf(draft, entry, host, workloads));
      else
        field.unresolved({
          code: "conflict",
          message: `${other.origin.object} is for ${host} already and holds`,
          fix: "keep one of the two",
        });
    }
  }
}

function readEntry(draft: Draft, object: KubeObject): Entry | undefined {
  const report = reportOf(draft, object);
  const spec = rootField(object, report).at("spec").object();
  spec.rest([
    "hosts",
    "addresses",
    "ports",
    "location",
    "resolution",
    "endpoints",
    "workloadSelector",
    "exportTo",
    "subjectAltNames",
  ]);
  const resolution = spec.at("resolution").oneOf(resolutions) ?? "NONE";
  const external = spec.at("location").oneOf(["MESH_EXTERNAL", "MESH_INTERNAL"]) !== "MESH_INTERNAL";
  const addresses = readAddresses(spec.at("addresses"));
  const ports = readPorts(spec.at("ports"));
  if (spec.at("endpoints").items().length > 0 && spec.at("workloadSelector").present)
    spec.error({ code: "one-of", message: "endpoints and workloadSelector exclude each other" });
  if (resolution === "NONE" && spec.at("endpoints").items().length > 0)
    spec.at("endpoints").error({
      code: "one-of",
      message: "resolution NONE leads to the address that the caller meant: it has no endpoints",
      fix: "set resolution STATIC or DNS",
    });
  if (
    resolution === "STATIC" &&
    !["endpoints", "workloadSelector", "addresses"].some((k) => spec.at(k).present)
  )
    spec.at("endpoints").error({ code: "required", message: "resolution STATIC needs endpoints" });
  if (resolution.includes("DNS") && spec.at("endpoints").present) spec.at("resolution").pending("dns");
  if (report.invalid) return undefined;
  return { object, spec, resolution, external, addresses, ports };
}

function readAddresses(field: Field): readonly string[] {
  let ranges = 0;
  const addresses = field.items().flatMap((item) => {
    const text = item.requiredText() ?? "";
    if (isIP(text) !== 0) return [text];
    const [ip = "", bits = ""] = text.split("/");
    if (isIP(ip) === 0 || !/^\d{1,3}$/.test(bits)) item.expected("an IP address or a range of them");
    else ranges++;
    return [];
  });
  if (ranges > 0)
    field.ignored(`ranges of addresses (${ranges} of them) are not in effect yet: name the addresses`);
  return addresses;
}

function readHosts(field: Field, entry: Entry | undefined): readonly { host: string; field: Field }[] {
  if (field.items().length === 0) field.error({ code: "required", message: "at least one host is required" });
  return field.items().flatMap((item) => {
    const host = (item.requiredText() ?? "").toLowerCase().replace(/\.$/, "");
    if (host === "") return [];
    if (!hostName.test(host)) item.expected("a host name, or *. and a host name");
    else if (
      host.startsWith("*") &&
      entry !== undefined &&
      !["NONE", "DYNAMIC_DNS"].includes(entry.resolution)
    )
      item.error({
        code: "invalid-value",
        message: `a name with * cannot be resolved by ${entry.resolution}`,
        fix: "set resolution NONE or DYNAMIC_DNS",
      });
    return [{ host, field: item }];
  });
}

function readPorts(field: Field): readonly PortSpec[] {
  const ports: PortSpec[] = [];
  for (const item of field.items()) {
    item.object().rest(["number", "name", "protocol", "targetPort"]);
    const port = item.at("number").integer(1, 65535);
    if (!item.at("number").present) item.at("number").error({ code: "required", message: "is required" });
    const name = item.at("name").text() ?? "";
    const word = item.at("protocol").text()?.toUpperCase();
    if (word === "UDP") item.at("protocol").ignored("UDP is not carried");
    else if (word !== undefined && word !== "" && !Object.hasOwn(words, word))
      item.at("protocol").expected(`one of ${Object.keys(words).join(", ")}`);
    if (port === undefined || word === "UDP") continue;
    if (ports.some((p) => p.port === port))
      item.at("number").error({ code: "duplicate", message: `port ${port} is there twice` });
    const protocol =
      word && Object.hasOwn(words, word) ? words[word]! : protocolOf(name, undefined, port, item);
    ports.push({ port, name, protocol, target: item.at("targetPort").integer(1, 65535) ?? port });
  }
  if (ports.length === 0 && field.report.invalid === false)
    field.note({ code: "no-ports", message: "names no port: nothing of it acts" });
  return ports.sort((a, b) => a.port - b.port);
}

interface EntryWorkload {
  readonly workload: Workload;
  readonly ports: ReadonlyMap<string, number>;
}

/** The endpoints as workloads; for names a workload each, whose address is the name. */
function workloadsOf(draft: Draft, entry: Entry, host: string): readonly EntryWorkload[] {
  const { spec, object, resolution, external } = entry;
  const namespace = namespaceOf(object);
  if (spec.at("workloadSelector").present) return selected(draft, spec.at("workloadSelector"), namespace);
  const dns = resolution === "DNS" || resolution === "DNS_ROUND_ROBIN";
  const listed = spec.at("endpoints").items();
  const bare = resolution === "STATIC" ? entry.addresses : dns ? [host] : [];
  const facts = { namespace, ready: true, draining: false, origin: reportOf(draft, object).origin("spec") };
  const plain = { labels: {}, serviceAccount: "default" };
  if (listed.length === 0)
    return bare.map((address, i) => ({
      workload: addWorkload(draft, { ...facts, ...plain, name: `${object.metadata.name}-${i}`, address }),
      ports: new Map(),
    }));
  return listed.flatMap((field, i) => {
    field.object().rest(["address", "ports", "labels", "locality", "network", "weight", "serviceAccount"]);
    const address = field.at("address").requiredText();
    if (address === undefined) return [];
    const fits = isIP(address) !== 0 || (dns && hostName.test(address) && !address.startsWith("*"));
    if (!fits) {
      field.at("address").expected(dns ? "an IP address or a host name" : "an IP address");
      return [];
    }
    const labels: Record<string, string> = {};
    for (const [key, value] of field.at("labels").entries()) labels[key] = value.text() ?? "";
    const ports = new Map<string, number>();
    for (const [key, value] of field.at("ports").entries()) ports.set(key, value.integer(1, 65535) ?? 0);
    const workload = addWorkload(draft, {
      ...facts,
      name: `${object.metadata.name}-${i}`,
      address,
      labels,
      serviceAccount: field.at("serviceAccount").text() ?? "default",
      weight: field.at("weight").integer(1, maxWorkloadWeight) ?? 1,
      locality: field.at("locality").text() ?? "",
      network: field.at("network").text() ?? "",
      ...(external && { sidecar: false }),
    });
    return [{ workload, ports }];
  });
}

/** WorkloadEntries (and pods) of the namespace with these labels. */
function selected(draft: Draft, field: Field, namespace: string): readonly EntryWorkload[] {
  field.object().rest(["labels"]);
  const wanted = field.at("labels").entries();
  if (wanted.length === 0) return [];
  return [...draft.workloads.values()]
    .filter((w) => w.namespace === namespace && wanted.every(([k, v]) => w.labels[k] === v.value))
    .map((workload) => ({ workload, ports: draft.workloadPorts.get(workload.key) ?? new Map() }));
}

function serviceOf(draft: Draft, entry: Entry, host: string, workloads: readonly EntryWorkload[]): Service {
  const { object, spec, resolution, external, addresses } = entry;
  const namespace = namespaceOf(object);
  const ports = entry.ports.map(
    ({ target, ...port }): ServicePort => ({
      ...port,
      endpoints: workloads
        .map(({ workload, ports: named }): Endpoint => {
          const { key, address, ready, draining, weight } = workload;
          return { workload: key, address, port: named.get(port.name) ?? target, ready, draining, weight };
        })
        .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port)),
    }),
  );
  const sans = spec.at("subjectAltNames").texts();
  const how = { NONE: "none", DYNAMIC_DNS: "dynamic", DNS: "dns", DNS_ROUND_ROBIN: "dns-one" } as const;
  return {
    host,
    name: host,
    namespace,
    headless: false,
    addresses,
    ports,
    visibility: visibilityOf(spec.at("exportTo").texts(), namespace, draft.exportTo.service),
    entry: {
      external,
      ...(resolution !== "STATIC" && { resolution: how[resolution] }),
      ...(sans.length > 0 && { subjectAltNames: sans }),
    },
    origin: reportOf(draft, object).origin("spec"),
  };
}
