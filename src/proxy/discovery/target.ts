/** A static cluster as the address of a configuration server: gRPC speaks HTTP/2 there, whatever its options say. */
import { isFieldSet } from "@bufbuild/protobuf";
import { anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type Cluster,
  ClusterSchema,
  Cluster_DiscoveryType as Discovery,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Address } from "../../proto/gen/envoy/config/core/v3/address_pb.js";
import {
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcher,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import {
  type CommonTlsContext,
  UpstreamTlsContextSchema,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { type Findings, hostPort, type Path, type SecretSource, textSource } from "../compile/index.ts";
import type { SanMatch, Target, TargetTls } from "./types.ts";

/** Fields that mean something for a connection to a server, or nothing for one connection. */
const fields: ReadonlySet<string> = new Set(
  `name type load_assignment transport_socket connect_timeout lb_policy typed_extension_protocol_options
   http2_protocol_options upstream_connection_options circuit_breakers dns_lookup_family respect_dns_ttl
   dns_refresh_rate alt_stat_name metadata common_lb_config max_requests_per_connection
   per_connection_buffer_limit_bytes`.split(/\s+/),
);

/** `secrets`: those of the file, by name. */
export function targetOf(
  cluster: Cluster,
  secrets: ReadonlyMap<string, SecretSource>,
  path: Path,
  findings: Findings,
): Target {
  for (const field of ClusterSchema.fields)
    if (!fields.has(field.name) && isFieldSet(cluster, field))
      findings.error(path.at(field.name), "this field is not supported for a configuration server");
  const how = cluster.clusterDiscoveryType;
  const type = how.case === "type" ? how.value : Discovery.STATIC;
  if (how.case === "clusterType" || type === Discovery.EDS || type === Discovery.ORIGINAL_DST)
    findings.error(path.at("type"), "a configuration server's cluster is STATIC, STRICT_DNS or LOGICAL_DNS");
  const at = path.at("load_assignment");
  const endpoints = (cluster.loadAssignment?.endpoints ?? []).flatMap((l) => l.lbEndpoints);
  const addresses = endpoints
    .map((e) =>
      e.hostIdentifier.case === "endpoint" ? addressOf(e.hostIdentifier.value.address) : undefined,
    )
    .filter((a) => a !== undefined);
  if (addresses.length === 0) findings.error(at, "an endpoint with an address is required");
  const tls = tlsOf(cluster, secrets, path.at("transport_socket"), findings);
  return { name: cluster.name, addresses, ...(tls ? { tls } : {}) };
}

function addressOf(address: Address | undefined): string | undefined {
  if (address?.address.case === "pipe") return `unix:${address.address.value.path}`;
  if (address?.address.case !== "socketAddress") return undefined;
  const { address: host, portSpecifier } = address.address.value;
  return hostPort(host, portSpecifier.case === "portValue" ? portSpecifier.value : 0);
}

function tlsOf(
  cluster: Cluster,
  secrets: ReadonlyMap<string, SecretSource>,
  path: Path,
  findings: Findings,
): TargetTls | undefined {
  const socket = cluster.transportSocket;
  const config = socket?.configType.case === "typedConfig" ? socket.configType.value : undefined;
  if (config === undefined || !anyIs(config, UpstreamTlsContextSchema)) return undefined;
  const context = anyUnpack(config, UpstreamTlsContextSchema);
  const common = context?.commonTlsContext;
  const at = path.at("typed_config").at("common_tls_context");
  if (!common) {
    findings.error(at, "is required");
    return undefined;
  }
  const own = ownOf(common, secrets, at, findings);
  const trust = trustOf(common, secrets, at, findings);
  return { ...own, ...trust, sni: context.sni };
}

function ownOf(
  common: CommonTlsContext,
  secrets: ReadonlyMap<string, SecretSource>,
  path: Path,
  findings: Findings,
): Pick<TargetTls, "cert" | "key"> {
  const inline = common.tlsCertificates[0];
  const named = common.tlsCertificateSdsSecretConfigs[0];
  const secret = named && secrets.get(named.name);
  if (named && !secret?.cert)
    findings.error(
      path.at("tls_certificate_sds_secret_configs").at(0),
      `${JSON.stringify(named.name)} is not among static_resources.secrets`,
    );
  const cert = secret?.cert ?? textSource(inline?.certificateChain);
  const key = secret?.key ?? textSource(inline?.privateKey);
  return cert && key ? { cert, key } : {};
}

function trustOf(
  common: CommonTlsContext,
  secrets: ReadonlyMap<string, SecretSource>,
  path: Path,
  findings: Findings,
): Pick<TargetTls, "ca" | "identity"> {
  const how = common.validationContextType;
  const combined = how.case === "combinedValidationContext" ? how.value : undefined;
  const named =
    how.case === "validationContextSdsSecretConfig" ? how.value : combined?.validationContextSdsSecretConfig;
  const context = how.case === "validationContext" ? how.value : combined?.defaultValidationContext;
  const ca = (named && secrets.get(named.name)?.ca) ?? textSource(context?.trustedCa);
  if (ca === undefined)
    findings.error(path, "a trusted_ca is required: a server that cannot be verified is never asked");
  const matchers = context?.matchTypedSubjectAltNames ?? [];
  const at = path.at("validation_context").at("match_typed_subject_alt_names");
  const identity = matchers.map((m, i) => sanMatch(m, at.at(i), findings)).filter((m) => m !== undefined);
  return { ...(ca ? { ca } : {}), identity };
}

const sanTypes: Readonly<Partial<Record<SanType, SanMatch["type"]>>> = {
  [SanType.DNS]: "dns",
  [SanType.URI]: "uri",
  [SanType.IP_ADDRESS]: "ip",
};

function sanMatch(matcher: SubjectAltNameMatcher, path: Path, findings: Findings): SanMatch | undefined {
  const type = sanTypes[matcher.sanType];
  const how = matcher.matcher?.matchPattern;
  if (type === undefined) findings.error(path.at("san_type"), "DNS, URI or IP_ADDRESS is required");
  switch (how?.case) {
    case "exact":
    case "prefix":
    case "suffix":
    case "contains":
      return type && { type, kind: how.case, value: how.value };
    default:
      findings.error(path.at("matcher"), "exact, prefix, suffix or contains is required");
      return undefined;
  }
}
