/** Mutual TLS as gRPC takes it (gRFC A29): certificates by provider instances that the client's bootstrap names. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { TransportSocketSchema } from "../../../proto/gen/envoy/config/core/v3/base_pb.js";
import type { CertificateValidationContextSchema } from "../../../proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../../../proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { ownSecret, rootSecret } from "../names.ts";

/** In `certificate_providers` of the bootstrap; Istio's name. */
export const certificateProvider = "default";

type Socket = MessageInitShape<typeof TransportSocketSchema>;
type Validation = MessageInitShape<typeof CertificateValidationContextSchema>;

/** No versions, ciphers or ALPN: gRPC has its own and refuses any that are given. */
function common(
  matchSubjectAltNames: Validation["matchSubjectAltNames"],
): MessageInitShape<typeof CommonTlsContextSchema> {
  return {
    tlsCertificateProviderInstance: { instanceName: certificateProvider, certificateName: ownSecret },
    validationContextType: {
      case: "combinedValidationContext",
      value: {
        defaultValidationContext: {
          caCertificateProviderInstance: { instanceName: certificateProvider, certificateName: rootSecret },
          ...(matchSubjectAltNames && { matchSubjectAltNames }),
        },
      },
    },
  };
}

/** Accepts exactly these identities. `match_subject_alt_names` is the field that gRPC reads. */
export function grpcUpstreamTls(identities: readonly string[], sni: string): Socket {
  const sans = identities.map((value) => ({ matchPattern: { case: "exact" as const, value } }));
  const context = create(UpstreamTlsContextSchema, { commonTlsContext: common(sans), sni });
  return {
    name: "envoy.transport_sockets.tls",
    configType: { case: "typedConfig", value: anyPack(UpstreamTlsContextSchema, context) },
  };
}

/** Asks every caller for a certificate of the mesh's roots; gRPC servers take no list of names. */
export function grpcDownstreamTls(): Socket {
  const context = create(DownstreamTlsContextSchema, {
    commonTlsContext: common(undefined),
    requireClientCertificate: true,
  });
  return {
    name: "envoy.transport_sockets.tls",
    configType: { case: "typedConfig", value: anyPack(DownstreamTlsContextSchema, context) },
  };
}
