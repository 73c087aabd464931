/** Rules of core kinds that a schema cannot say. They run on well-typed, defaulted objects. */
import { isIP } from "node:net";
import type { Kind } from "./kind.ts";
import { checkLabels } from "./meta.ts";
import { configKeyProblems, isDnsLabel, isDnsSubdomain } from "./names.ts";
import type { Cause } from "./schema.ts";
import type { EndpointSlice, Event, KubeObject, Service, ServicePort } from "./types.ts";
import { checkWorkload } from "./workload-rules.ts";

/** Most bytes of all values of a Secret or ConfigMap together, as in Kubernetes. */
export const MAX_DATA_BYTES = 1024 * 1024;
/** Most endpoints of one slice, as in Kubernetes. */
export const MAX_SLICE_ENDPOINTS = 1000;

const invalid = (field: string, value: unknown, message: string): Cause => ({
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${message}`,
  reason: "FieldValueInvalid",
});
const required = (field: string, why: string): Cause => ({
  field,
  message: `Required value${why && `: ${why}`}`,
  reason: "FieldValueRequired",
});
const duplicate = (field: string, value: unknown): Cause => ({
  field,
  message: `Duplicate value: ${JSON.stringify(value)}`,
  reason: "FieldValueDuplicate",
});

/** Causes why a new or changed object cannot be stored. */
export function checkRules(kind: Kind, object: KubeObject, old?: KubeObject): Cause[] {
  if (kind.group === "" && kind.kind === "Service") return checkService(object as Service, old as Service);
  if (kind.kind === "Secret" || kind.kind === "ConfigMap") return checkData(object, old);
  if (kind.custom) return [];
  if (kind.kind === "Event" && kind.group === "") return checkEvent(object as Event);
  if (kind.kind === "Lease") return checkLease(object);
  if (kind.kind === "EndpointSlice") return checkSlice(object as EndpointSlice, old as EndpointSlice);
  return checkWorkload(kind, object, old);
}

function checkService(service: Service, old?: Service): Cause[] {
  const spec = service.spec ?? {};
  const causes = checkLabels(spec.selector, "spec.selector");
  const headless = spec.clusterIP === "None";
  const ports = spec.ports ?? [];
  if (spec.type === "ExternalName") {
    if (!spec.externalName || !isDnsSubdomain(spec.externalName.replace(/\.$/, ""))) {
      causes.push(required("spec.externalName", "a DNS name"));
    }
    if (spec.clusterIP)
      causes.push(invalid("spec.clusterIP", spec.clusterIP, "may not be set for ExternalName"));
  } else if (ports.length === 0 && !headless) causes.push(required("spec.ports", ""));
  const was = old?.spec?.clusterIP;
  if (was && spec.clusterIP !== was && spec.type !== "ExternalName" && old?.spec?.type !== "ExternalName") {
    causes.push(invalid("spec.clusterIPs[0]", [spec.clusterIP], "may not change once set"));
  }
  return [...causes, ...checkPorts(ports)];
}

function checkPorts(ports: readonly ServicePort[]): Cause[] {
  const causes: Cause[] = [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const at = `spec.ports[${i}]`;
    if (port.name) {
      if (!isDnsLabel(port.name))
        causes.push(invalid(`${at}.name`, port.name, "must be a lowercase RFC 1123 label"));
      if (names.has(port.name)) causes.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    } else if (ports.length > 1) causes.push(required(`${at}.name`, ""));
    const key = `${port.port}/${port.protocol ?? "TCP"}`;
    if (numbers.has(key)) causes.push(duplicate(at, { port: port.port, protocol: port.protocol ?? "TCP" }));
    numbers.add(key);
    const target = port.targetPort;
    if (!isPort(port.port)) causes.push(invalid(`${at}.port`, port.port, portRule));
    if (typeof target === "number" && !isPort(target))
      causes.push(invalid(`${at}.targetPort`, target, portRule));
    if (typeof target === "string" && !/^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/.test(target)) {
      causes.push(invalid(`${at}.targetPort`, target, "must be a port name of at most 15 characters"));
    }
  }
  return causes;
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535;
const portRule = "must be between 1 and 65535, inclusive";

/** Namespaces in which events about what has no namespace stand. */
const clusterEvents: readonly unknown[] = ["default", "kube-system"];

function checkEvent(event: Event): Cause[] {
  const { namespace } = event.metadata;
  const about = event.involvedObject?.namespace ?? "";
  const fits = about === "" ? clusterEvents.includes(namespace) : about === namespace;
  return fits ? [] : [invalid("involvedObject.namespace", about, "does not match event.namespace")];
}

function checkLease(lease: KubeObject): Cause[] {
  const { leaseDurationSeconds: life } = (lease.spec ?? {}) as { leaseDurationSeconds?: number };
  return life === undefined || life === null || life > 0
    ? []
    : [invalid("spec.leaseDurationSeconds", life, "must be greater than 0")];
}

function checkData(object: KubeObject, old?: KubeObject): Cause[] {
  const causes: Cause[] = [];
  let bytes = 0;
  for (const field of ["data", "binaryData"]) {
    for (const [key, value] of Object.entries((object[field] ?? {}) as Record<string, string>)) {
      bytes += value.length;
      const shown = key.slice(0, 300);
      causes.push(...configKeyProblems(key).map((p) => invalid(`${field}[${shown}]`, shown, p)));
    }
  }
  if (bytes > MAX_DATA_BYTES) {
    causes.push({
      field: "data",
      message: `Too long: may not be more than ${MAX_DATA_BYTES} bytes`,
      reason: "FieldValueTooLong",
    });
  }
  if (object.kind === "Secret") causes.push(...checkSecretType(object));
  if (old?.["immutable"] === true) {
    for (const field of ["data", "binaryData", "immutable"]) {
      if (!Bun.deepEquals(old[field] ?? {}, object[field] ?? {})) {
        causes.push({
          field,
          message: "Forbidden: field is immutable when `immutable` is set",
          reason: "FieldValueForbidden",
        });
      }
    }
  }
  if (old && object.kind === "Secret" && old["type"] !== object["type"]) {
    causes.push(invalid("type", object["type"], "field is immutable"));
  }
  return causes;
}

/** Keys that a Secret of a well-known type must have. */
const secretKeys: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
};

function checkSecretType(object: KubeObject): Cause[] {
  const data = (object["data"] ?? {}) as Readonly<Record<string, string>>;
  const keys = secretKeys[object["type"] as string] ?? [];
  const basic =
    object["type"] === "kubernetes.io/basic-auth" && !("username" in data) && !("password" in data);
  const missing = basic ? ["username", "password"] : keys.filter((key) => data[key] === undefined);
  return missing.map((key) => required(`data[${key}]`, ""));
}

function checkSlice(slice: EndpointSlice, old?: EndpointSlice): Cause[] {
  const causes: Cause[] = [];
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > MAX_SLICE_ENDPOINTS) {
    causes.push({
      field: "endpoints",
      message: `Too many: ${endpoints.length}: must have at most ${MAX_SLICE_ENDPOINTS} items`,
      reason: "FieldValueTooMany",
    });
  }
  for (const [i, endpoint] of endpoints.slice(0, MAX_SLICE_ENDPOINTS).entries()) {
    if (endpoint.addresses.length === 0)
      causes.push(required(`endpoints[${i}].addresses`, "must contain at least 1 address"));
    for (const [j, address] of endpoint.addresses.entries()) {
      const ok =
        slice.addressType === "IPv4" ? isIpv4(address) : typeof address === "string" && address !== "";
      if (ok) continue;
      const family = isIP(address) === 0 ? undefined : slice.addressType;
      const rule =
        slice.addressType === "FQDN"
          ? "must be a valid FQDN address"
          : family === undefined
            ? "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            : `must be an ${family} address`;
      causes.push(invalid(`endpoints[${i}].addresses[${j}]`, address, rule));
    }
  }
  if (old && old.addressType !== slice.addressType) {
    causes.push(invalid("addressType", slice.addressType, "field is immutable"));
  }
  return causes;
}

/** Four decimal parts without leading zeros. */
export const isIpv4 = (text: string): boolean =>
  /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}$/.test(text) && !text.endsWith(".");
