/** Mutual TLS of the mesh, both sides. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { TransportSocketSchema } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type { ConfigSourceSchema } from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import { RawBufferSchema } from "../../proto/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js";
import {
  SubjectAltNameMatcher_SanType,
  type SubjectAltNameMatcherSchema,
  TlsParameters_TlsProtocol,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import type { UpstreamSecurity } from "../model/index.ts";
import { ownSecret, rootSecret } from "./names.ts";
import { ads } from "./values.ts";

/** HTTP/1.1 until the codec of HTTP/2 is there. */
export const meshAlpn = ["http/1.1"];

type Socket = MessageInitShape<typeof TransportSocketSchema>;
type Source = MessageInitShape<typeof ConfigSourceSchema>;
type San = MessageInitShape<typeof SubjectAltNameMatcherSchema>;

function common(
  sans: San[],
  secrets: Source,
  alpnProtocols = meshAlpn,
): MessageInitShape<typeof CommonTlsContextSchema> {
  const version = TlsParameters_TlsProtocol.TLSv1_3;
  return {
    tlsParams: { tlsMinimumProtocolVersion: version, tlsMaximumProtocolVersion: version },
    tlsCertificateSdsSecretConfigs: [{ name: ownSecret, sdsConfig: secrets }],
    validationContextType: {
      case: "combinedValidationContext",
      value: {
        defaultValidationContext: { matchTypedSubjectAltNames: sans },
        validationContextSdsSecretConfig: { name: rootSecret, sdsConfig: secrets },
      },
    },
    alpnProtocols,
  };
}

const uri = SubjectAltNameMatcher_SanType.URI;

/** Accepts exactly these identities. `secrets`: where the proxy takes its certificate and the roots from. */
export function upstreamTls(identities: readonly string[], sni: string, secrets: Source = ads): Socket {
  const sans = identities.map(
    (value): San => ({
      sanType: uri,
      matcher: { matchPattern: { case: "exact", value } },
    }),
  );
  const context = create(UpstreamTlsContextSchema, { commonTlsContext: common(sans, secrets), sni });
  return {
    name: "envoy.transport_sockets.tls",
    configType: { case: "typedConfig", value: anyPack(UpstreamTlsContextSchema, context) },
  };
}

/** Requires a certificate of one of the trust domains. `alpn`: what is agreed to, best first. */
export function downstreamTls(
  trustDomains: readonly string[],
  secrets: Source = ads,
  alpn: string[] = meshAlpn,
): Socket {
  const sans = trustDomains.map(
    (domain): San => ({
      sanType: uri,
      matcher: { matchPattern: { case: "prefix", value: `spiffe://${domain}/` } },
    }),
  );
  const context = create(DownstreamTlsContextSchema, {
    commonTlsContext: common(sans, secrets, alpn),
    requireClientCertificate: true,
  });
  return {
    name: "envoy.transport_sockets.tls",
    configType: { case: "typedConfig", value: anyPack(DownstreamTlsContextSchema, context) },
  };
}

export const plaintext: Socket = {
  name: "envoy.transport_sockets.raw_buffer",
  configType: { case: "typedConfig", value: anyPack(RawBufferSchema, create(RawBufferSchema)) },
};

/** The system's bundle where the manifest names none (Debian's place, as Istio's first). */
const systemRoots = "/etc/ssl/certs/ca-certificates.crt";

/** TLS to something outside the mesh; files are on the proxy's machine. */
export function originTls(security: UpstreamSecurity, sni: string): Socket {
  const { certificate, roots, revoked, unverified, subjectAltNames } = security;
  const file = (filename: string) => ({ specifier: { case: "filename" as const, value: filename } });
  const sans = subjectAltNames.flatMap((value): San[] => {
    const matcher = { matchPattern: { case: "exact" as const, value } };
    const sanType = value.includes("://") ? uri : SubjectAltNameMatcher_SanType.DNS;
    return [{ sanType, matcher }];
  });
  const context = create(UpstreamTlsContextSchema, {
    sni,
    commonTlsContext: {
      ...(certificate && {
        tlsCertificates: [{ certificateChain: file(certificate.chain), privateKey: file(certificate.key) }],
      }),
      ...(unverified !== true && {
        validationContextType: {
          case: "validationContext",
          value: {
            trustedCa: file(roots ?? systemRoots),
            ...(revoked !== undefined && { crl: file(revoked) }),
            matchTypedSubjectAltNames: sans.length > 0 ? sans : [dnsSan(sni)],
          },
        },
      }),
    },
  });
  return {
    name: "envoy.transport_sockets.tls",
    configType: { case: "typedConfig", value: anyPack(UpstreamTlsContextSchema, context) },
  };
}

function dnsSan(value: string): San {
  const matcher = { matchPattern: { case: "exact" as const, value } };
  return { sanType: SubjectAltNameMatcher_SanType.DNS, matcher };
}
