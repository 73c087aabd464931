/** Transport sockets: names of secrets, expected identities, versions. Files and inline texts become secrets. */
import type { Message } from "@bufbuild/protobuf";
import type { TransportSocket } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType as SanType,
  type TlsCertificate,
  type TlsParameters,
  TlsParameters_TlsProtocol as TlsVersion,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { Secret } from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import type { DownstreamTls, PeerValidation, StringMatch, UpstreamTls } from "../config/index.ts";
import { unpackAny } from "./any.ts";
import { stringMatch } from "./match.ts";
import type { Findings, Path } from "./path.ts";
import { type TextSource, textSource } from "./values.ts";

/** A secret that the configuration itself holds; the agent reads it and hands it out under its name. */
export interface SecretSource {
  readonly name: string;
  readonly cert?: TextSource;
  readonly key?: TextSource;
  readonly ca?: TextSource;
}

/** Where secrets of a resource are collected and what they are named after: `cluster/x`. */
export interface SecretScope {
  readonly prefix: string;
  readonly secrets: SecretSource[];
}

const versions: Readonly<Record<TlsVersion, number>> = {
  [TlsVersion.TLS_AUTO]: 0,
  [TlsVersion.TLSv1_0]: 769,
  [TlsVersion.TLSv1_1]: 770,
  [TlsVersion.TLSv1_2]: 771,
  [TlsVersion.TLSv1_3]: 772,
};

function versionRange(
  params: TlsParameters | undefined,
  path: Path,
  findings: Findings,
): { minVersion: number; maxVersion: number } {
  const min = versions[params?.tlsMinimumProtocolVersion ?? 0] || 771;
  const max = versions[params?.tlsMaximumProtocolVersion ?? 0] || 772;
  if (min < 771 || max < 771) findings.error(path, "TLS below 1.2 is not supported");
  if (max < min) findings.error(path, "the maximum version is below the minimum");
  return { minVersion: min, maxVersion: max };
}

function certificate(cert: TlsCertificate, path: Path, findings: Findings): Omit<SecretSource, "name"> {
  const chain = textSource(cert.certificateChain);
  const key = textSource(cert.privateKey);
  if (!chain)
    findings.error(path.at("certificate_chain"), "filename, inline_string or inline_bytes is required");
  if (!key) findings.error(path.at("private_key"), "filename, inline_string or inline_bytes is required");
  return chain && key ? { cert: chain, key } : {};
}

/** Name of the own certificate's secret; undefined where none is configured. */
function ownCertificate(
  common: CommonTlsContext,
  scope: SecretScope,
  path: Path,
  findings: Findings,
): string | undefined {
  const { tlsCertificates: inline, tlsCertificateSdsSecretConfigs: named } = common;
  if (inline.length + named.length > 1)
    findings.error(path.at("tls_certificates"), "more than one certificate is not supported");
  const first = inline[0];
  if (!first) return named[0]?.name;
  const name = `${scope.prefix}/certificate`;
  scope.secrets.push({ name, ...certificate(first, path.at("tls_certificates").at(0), findings) });
  return name;
}

function uriSans(
  context: CertificateValidationContext | undefined,
  path: Path,
  findings: Findings,
): StringMatch[] {
  const at = path.at("match_typed_subject_alt_names");
  return (context?.matchTypedSubjectAltNames ?? []).map((m, i) => {
    if (m.sanType !== SanType.URI) findings.error(at.at(i).at("san_type"), "only URI is supported");
    if (!m.matcher) findings.error(at.at(i).at("matcher"), "is required");
    return m.matcher
      ? stringMatch(m.matcher, at.at(i).at("matcher"), findings)
      : { kind: "exact", value: "" };
  });
}

function inlineValidation(
  context: CertificateValidationContext,
  scope: SecretScope,
  path: Path,
  findings: Findings,
): PeerValidation | undefined {
  const sans = uriSans(context, path, findings);
  const ca = textSource(context.trustedCa);
  if (!ca) {
    findings.error(path.at("trusted_ca"), "is required: a peer that cannot be verified is never accepted");
    return undefined;
  }
  const name = `${scope.prefix}/trusted_ca`;
  scope.secrets.push({ name, ca });
  return { caSecret: name, sans, mode: sans.length > 0 ? "spiffe" : "chain" };
}

function validationOf(
  common: CommonTlsContext,
  scope: SecretScope,
  path: Path,
  findings: Findings,
): PeerValidation | undefined {
  const how = common.validationContextType;
  switch (how.case) {
    case "validationContext":
      return inlineValidation(how.value, scope, path.at("validation_context"), findings);
    case "validationContextSdsSecretConfig":
      return { caSecret: how.value.name, sans: [], mode: "spiffe" };
    case "combinedValidationContext": {
      const at = path.at("combined_validation_context");
      const context = how.value.defaultValidationContext;
      const named = how.value.validationContextSdsSecretConfig;
      const defaultPath = at.at("default_validation_context");
      if (!named) return context && inlineValidation(context, scope, defaultPath, findings);
      if (context?.trustedCa)
        findings.error(defaultPath.at("trusted_ca"), "the trust bundle comes from the named secret");
      return { caSecret: named.name, sans: uriSans(context, defaultPath, findings), mode: "spiffe" };
    }
    default:
      return undefined;
  }
}

function protocols(
  common: CommonTlsContext,
  path: Path,
  findings: Findings,
  http2: boolean,
): readonly string[] {
  for (const [i, name] of common.alpnProtocols.entries()) {
    const at = path.at("alpn_protocols").at(i);
    if (name === "" || Buffer.byteLength(name) > 255) findings.error(at, "1 to 255 bytes are allowed");
    else if (name === "h2" && !http2)
      findings.error(at, "there is no HTTP/2 to upstreams yet: offer http/1.1");
  }
  return common.alpnProtocols;
}

export function downstreamTls(
  context: DownstreamTlsContext,
  scope: SecretScope,
  path: Path,
  findings: Findings,
): DownstreamTls {
  const at = path.at("common_tls_context");
  const common = context.commonTlsContext;
  if (!common) findings.error(at, "is required");
  const certSecret = common && ownCertificate(common, scope, at, findings);
  if (common && certSecret === undefined)
    findings.error(at, "tls_certificates or tls_certificate_sds_secret_configs is required");
  const validation = common && validationOf(common, scope, at, findings);
  const requireClientCertificate = context.requireClientCertificate ?? false;
  if (requireClientCertificate && !validation)
    findings.error(path.at("require_client_certificate"), "needs a validation context to verify with");
  return {
    certSecret: certSecret ?? "",
    requireClientCertificate,
    ...(validation ? { validation } : {}),
    alpn: common ? protocols(common, at, findings, true) : [],
    ...versionRange(common?.tlsParams, at.at("tls_params"), findings),
  };
}

export function upstreamTls(
  context: UpstreamTlsContext,
  scope: SecretScope,
  path: Path,
  findings: Findings,
): UpstreamTls {
  const at = path.at("common_tls_context");
  const common = context.commonTlsContext;
  const certSecret = common && ownCertificate(common, scope, at, findings);
  const validation = common && validationOf(common, scope, at, findings);
  if (!validation && findings.errors.length === 0)
    findings.error(at, "a validation context is required: a server that cannot be verified is never used");
  if (validation?.mode === "spiffe" && validation.sans.length === 0)
    findings.warn(
      at,
      "names no identity (match_typed_subject_alt_names): every workload that the trust bundle vouches for is believed",
    );
  return {
    ...(certSecret !== undefined ? { certSecret } : {}),
    ...(validation ? { validation } : {}),
    sni: context.sni,
    alpn: common ? protocols(common, at, findings, false) : [],
    ...versionRange(common?.tlsParams, at.at("tls_params"), findings),
  };
}

function contentOf(socket: TransportSocket, path: Path, findings: Findings): Message | undefined {
  if (socket.configType.case !== "typedConfig") {
    if (socket.name !== "envoy.transport_sockets.raw_buffer")
      findings.error(path, "typed_config is required");
    return undefined;
  }
  const inner = unpackAny(socket.configType.value);
  return typeof inner === "string" ? undefined : inner;
}

const raw = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/** Undefined: plaintext. */
export function downstreamSocket(
  socket: TransportSocket | undefined,
  scope: SecretScope,
  path: Path,
  findings: Findings,
): DownstreamTls | undefined {
  const inner = socket && contentOf(socket, path, findings);
  if (!inner || inner.$typeName === raw) return undefined;
  const at = path.at("typed_config").retype(inner.$typeName);
  if (inner.$typeName === "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext")
    return downstreamTls(inner as DownstreamTlsContext, scope, at, findings);
  findings.error(at, "a DownstreamTlsContext or RawBuffer is required");
  return undefined;
}

/** Null: plaintext. */
export function upstreamSocket(
  socket: TransportSocket | undefined,
  scope: SecretScope,
  path: Path,
  findings: Findings,
): UpstreamTls | null {
  const inner = socket && contentOf(socket, path, findings);
  if (!inner || inner.$typeName === raw) return null;
  const at = path.at("typed_config").retype(inner.$typeName);
  if (inner.$typeName === "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext")
    return upstreamTls(inner as UpstreamTlsContext, scope, at, findings);
  findings.error(at, "an UpstreamTlsContext or RawBuffer is required");
  return null;
}

/** A secret of static_resources. */
export function secretResource(message: Secret, path: Path, findings: Findings): SecretSource {
  if (message.name === "") findings.error(path.at("name"), "is required");
  if (message.type.case === "tlsCertificate")
    return { name: message.name, ...certificate(message.type.value, path.at("tls_certificate"), findings) };
  if (message.type.case === "validationContext") {
    const ca = textSource(message.type.value.trustedCa);
    if (ca) return { name: message.name, ca };
    findings.error(path.at("validation_context").at("trusted_ca"), "is required");
  } else findings.error(path, "tls_certificate or validation_context is required");
  return { name: message.name };
}
