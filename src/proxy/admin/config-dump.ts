/** /config_dump: Envoy's admin.v3.ConfigDump as JSON, each resource as it came. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Agent, RefusalRecord, SourceRecord } from "../agent/index.ts";
import { redact } from "./redact/index.ts";

export interface ConfigDumpOptions {
  readonly agent: Agent;
  readonly includeEds: boolean;
  /** `dynamic_active_clusters`, ...: only this field of the parts; empty: everything. */
  readonly resource: string;
  readonly bootstrapJson?: string;
  /** Resources of a control plane to JSON; undefined where one does not decode. */
  readonly anyJson?: (any: Any) => JsonValue | undefined;
}

type AnyJson = ConfigDumpOptions["anyJson"];

const admin = "type.googleapis.com/envoy.admin.v3.";
const resourceTypes: Readonly<Record<SourceRecord["type"], string>> = {
  listener: "envoy.config.listener.v3.Listener",
  route: "envoy.config.route.v3.RouteConfiguration",
  cluster: "envoy.config.cluster.v3.Cluster",
  endpoints: "envoy.config.endpoint.v3.ClusterLoadAssignment",
};

function resourceJson(record: SourceRecord, anyJson: AnyJson): JsonObject {
  const typeName = resourceTypes[record.type];
  const withType = (value: JsonValue): JsonObject => ({
    "@type": `type.googleapis.com/${typeName}`,
    ...(redact(value) as JsonObject),
  });
  if (record.json !== undefined) return withType(JSON.parse(record.json) as JsonValue);
  const json = record.any && anyJson?.(record.any);
  return json === undefined
    ? { "@type": `type.googleapis.com/${typeName}`, name: record.name }
    : withType(json);
}

const time = (at: number): string => new Date(at).toISOString();

function refusalJson(refusal: RefusalRecord): JsonObject {
  return {
    last_update_attempt: time(refusal.at),
    version_info: refusal.version,
    details: refusal.message,
  };
}

/** A file's resources are static, a control plane's dynamic, as Envoy tells them apart. */
function split(
  records: readonly SourceRecord[],
  field: string,
  anyJson: AnyJson,
): { fixed: JsonObject[]; dynamic: JsonObject[] } {
  const item = (r: SourceRecord): JsonObject => ({
    [field]: resourceJson(r, anyJson),
    last_updated: time(r.at),
  });
  return {
    fixed: records.filter((r) => !r.any).map(item),
    dynamic: records.filter((r) => r.any).map((r) => ({ version_info: r.version, ...item(r) })),
  };
}

function listenersDump(agent: Agent, records: readonly SourceRecord[], anyJson: AnyJson): JsonObject {
  const refusals = new Map(
    agent
      .refusals()
      .filter((r) => r.typeUrl.endsWith(".Listener"))
      .map((r) => [r.name, r]),
  );
  const waiting = new Set(agent.warming().map((w) => w.name));
  const dynamic = records
    .filter((r) => r.any)
    .map((r): JsonObject => {
      const state = { version_info: r.version, listener: resourceJson(r, anyJson), last_updated: time(r.at) };
      const refusal = refusals.get(r.name);
      refusals.delete(r.name);
      return {
        name: r.name,
        [waiting.has(r.name) ? "warming_state" : "active_state"]: state,
        ...(refusal ? { error_state: refusalJson(refusal) } : {}),
      };
    });
  for (const refusal of refusals.values())
    dynamic.push({ name: refusal.name, error_state: refusalJson(refusal) });
  return {
    "@type": `${admin}ListenersConfigDump`,
    static_listeners: split(records, "listener", anyJson).fixed,
    dynamic_listeners: dynamic,
  };
}

/** Names and kinds of what is held; certificates are on /certs, keys nowhere. */
function secretsDump(agent: Agent): JsonObject {
  return {
    "@type": `${admin}SecretsConfigDump`,
    static_secrets: agent.secrets().map((s) => ({
      name: s.name,
      secret: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        name: s.name,
        ...(s.certPem !== undefined
          ? {
              tls_certificate: {
                certificate_chain: { inline_string: s.certPem },
                private_key: { inline_string: "[redacted]" },
              },
            }
          : {}),
        ...(s.caPem !== undefined ? { validation_context: { trusted_ca: { inline_string: s.caPem } } } : {}),
      },
    })),
  };
}

export function configDump(options: ConfigDumpOptions): JsonObject {
  const { agent, anyJson } = options;
  const of = (type: SourceRecord["type"]): SourceRecord[] => agent.sources().filter((r) => r.type === type);
  const clusters = split(of("cluster"), "cluster", anyJson);
  const routes = split(of("route"), "route_config", anyJson);
  const endpoints = split(of("endpoints"), "endpoint_config", anyJson);
  const bootstrap =
    options.bootstrapJson === undefined ? {} : (JSON.parse(options.bootstrapJson) as JsonObject);
  const parts: JsonObject[] = [
    { "@type": `${admin}BootstrapConfigDump`, bootstrap },
    {
      "@type": `${admin}ClustersConfigDump`,
      static_clusters: clusters.fixed,
      dynamic_active_clusters: clusters.dynamic,
    },
    ...(options.includeEds
      ? [
          {
            "@type": `${admin}EndpointsConfigDump`,
            static_endpoint_configs: endpoints.fixed,
            dynamic_endpoint_configs: endpoints.dynamic,
          },
        ]
      : []),
    listenersDump(agent, of("listener"), anyJson),
    {
      "@type": `${admin}RoutesConfigDump`,
      static_route_configs: routes.fixed,
      dynamic_route_configs: routes.dynamic,
    },
    secretsDump(agent),
  ];
  if (options.resource === "") return { configs: parts };
  const found = parts.flatMap((p) => {
    const list = p[options.resource];
    return Array.isArray(list) ? list : [];
  });
  return { configs: found };
}
