/** ConfigMap `istio`, key `mesh` -> the settings of the whole mesh. */
import { parse } from "yaml";
import type { AccessLog, MeshConfig, RetryPolicy } from "../model/index.ts";
import { knownOperators } from "./access-log-format.ts";
import { type Draft, reportOf } from "./draft.ts";
import { Field } from "./field.ts";
import { parseLocality } from "./load-balancer.ts";
import type { TranslateOptions } from "./options.ts";
import { parseRetries, silentRetries } from "./retry.ts";
import { type KubeObject, type KubeSnapshot, namespaceOf, objectsOf } from "./snapshot.ts";

export const defaultRootNamespace = "weft-system";
const istioRootNamespace = "istio-system";
/** Envoy's default connect_timeout. */
const defaultConnectTimeoutMs = 5000;

/** SPIFFE ID 2.1. */
const trustDomainText = /^[a-z0-9._-]{1,255}$/;
const read = [
  "trustDomain",
  "trustDomainAliases",
  "rootNamespace",
  "outboundTrafficPolicy",
  "accessLogFile",
  "accessLogEncoding",
  "accessLogFormat",
  "explain",
  "connectTimeout",
  "defaultHttpRetryPolicy",
  "localityLbSetting",
  "defaultServiceExportTo",
  "defaultVirtualServiceExportTo",
  "defaultDestinationRuleExportTo",
];

/** What holds without a ConfigMap. */
export function defaultConfig(options: TranslateOptions): MeshConfig {
  return {
    trustDomain: "cluster.local",
    trustDomainAliases: [],
    rootNamespace: options.rootNamespace ?? defaultRootNamespace,
    clusterDomain: options.clusterDomain ?? "cluster.local",
    clusterId: options.clusterId ?? "Kubernetes",
    outbound: "allow-any",
    accessLog: { file: "", encoding: "text", text: "", fields: {} },
    explain: false,
    connectTimeoutMs: defaultConnectTimeoutMs,
    defaultRetries: silentRetries,
  };
}

/** The ConfigMap that counts: in the root namespace, else Istio's. */
export function meshConfigMap(snapshot: KubeSnapshot, root: string): KubeObject | undefined {
  const maps = objectsOf(snapshot, "ConfigMap").filter((o) => o.metadata.name === "istio");
  const within = (ns: string): KubeObject | undefined => maps.find((o) => namespaceOf(o) === ns);
  return within(root) ?? within(istioRootNamespace);
}

export function processMeshConfig(draft: Draft): void {
  const object = meshConfigMap(draft.snapshot, draft.config.rootNamespace);
  if (object !== undefined) draft.config = readMeshConfig(object, draft, draft.config);
}

function readMeshConfig(
  object: KubeObject,
  draft: Pick<Draft, "reports" | "exportTo">,
  base: MeshConfig,
): MeshConfig {
  const report = reportOf(draft, object);
  const data = new Field(object, "", report).at("data").object().at("mesh");
  const text = data.text();
  if (text === undefined) return base;
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    data.error({ code: "invalid-yaml", message: `is no YAML: ${why}; the defaults hold` });
    return base;
  }
  const mesh = new Field(value, data.path, report).object();
  mesh.rest(read);
  const config = settings(mesh, base);
  const exported = (key: string): readonly string[] => mesh.at(`default${key}ExportTo`).texts();
  if (!report.invalid)
    draft.exportTo = {
      service: exported("Service"),
      virtualService: exported("VirtualService"),
      destinationRule: exported("DestinationRule"),
    };
  return report.invalid ? base : config;
}

function settings(mesh: Field, base: MeshConfig): MeshConfig {
  const mode = mesh.at("outboundTrafficPolicy").object().at("mode").oneOf(["ALLOW_ANY", "REGISTRY_ONLY"]);
  const aliases = mesh.at("trustDomainAliases");
  for (const field of [mesh.at("trustDomain"), ...aliases.items()])
    if (field.present && !trustDomainText.test(field.text() ?? ""))
      field.expected("a trust domain: lower-case letters, digits, dots, dashes");
  const locality = parseLocality(mesh.at("localityLbSetting"));
  return {
    ...base,
    ...(locality && { locality }),
    trustDomain: mesh.at("trustDomain").text() ?? base.trustDomain,
    trustDomainAliases: aliases.texts(),
    rootNamespace: mesh.at("rootNamespace").text() ?? base.rootNamespace,
    outbound: mode === "REGISTRY_ONLY" ? "registry-only" : "allow-any",
    accessLog: accessLog(mesh),
    explain: mesh.at("explain").bool() ?? base.explain,
    connectTimeoutMs: mesh.at("connectTimeout").durationMs() ?? base.connectTimeoutMs,
    defaultRetries: defaultRetries(mesh.at("defaultHttpRetryPolicy")) ?? base.defaultRetries,
  };
}

function defaultRetries(field: Field): RetryPolicy | undefined {
  return field.present ? parseRetries(field) : undefined;
}

function accessLog(mesh: Field): AccessLog {
  const json = mesh.at("accessLogEncoding").oneOf(["TEXT", "JSON"]) === "JSON";
  const field = mesh.at("accessLogFormat");
  const format = field.text() ?? "";
  return {
    file: mesh.at("accessLogFile").text() ?? "",
    encoding: json ? "json" : "text",
    text: json || !knownOperators(field, format) ? "" : format,
    fields: json && format !== "" ? jsonFields(field, format) : {},
  };
}

function jsonFields(field: Field, text: string): Readonly<Record<string, string>> {
  try {
    const value: unknown = JSON.parse(text);
    const strings = typeof value === "object" && value !== null && !Array.isArray(value);
    if (strings && Object.values(value).every((v) => typeof v === "string"))
      return knownOperators(field, Object.values(value).join(" ")) ? (value as Record<string, string>) : {};
  } catch {
    // Said below.
  }
  field.expected("a JSON object of strings, since accessLogEncoding is JSON");
  return {};
}
