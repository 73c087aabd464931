/** /certs: what is in use and how long it lasts. Keys never leave. */
import { X509Certificate } from "node:crypto";
import type { SecretChange } from "../config/index.ts";

interface CertificateInfo {
  readonly path: string;
  readonly serial_number: string;
  readonly subject_alt_names: readonly {
    readonly uri?: string;
    readonly dns?: string;
    readonly ip_address?: string;
  }[];
  readonly days_until_expiration: string;
  readonly valid_from: string;
  readonly expiration_time: string;
}

const dayMs = 86_400_000;
const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** One `URI:x, DNS:y` list of Node, whose quoted entries hold what is not plain. */
function altNames(text: string | undefined): CertificateInfo["subject_alt_names"] {
  return (text?.match(/(?:URI|DNS|IP Address):(?:"(?:[^"\\]|\\.)*"|[^,]*)/g) ?? []).map((entry) => {
    const at = entry.indexOf(":");
    const value = entry.slice(at + 1);
    const kind = entry.slice(0, at);
    return kind === "URI" ? { uri: value } : kind === "DNS" ? { dns: value } : { ip_address: value };
  });
}

function describe(name: string, pems: string | undefined, wall: number): CertificateInfo[] {
  return (pems?.match(pem) ?? []).map((one) => {
    const cert = new X509Certificate(one);
    const end = Date.parse(cert.validTo);
    return {
      path: name,
      serial_number: cert.serialNumber.toLowerCase(),
      subject_alt_names: altNames(cert.subjectAltName),
      days_until_expiration: String(Math.max(0, Math.floor((end - wall) / dayMs))),
      valid_from: new Date(Date.parse(cert.validFrom)).toISOString(),
      expiration_time: new Date(end).toISOString(),
    };
  });
}

/** Envoy's Certificates message as JSON. */
export function certificates(secrets: readonly SecretChange[], wall: number): unknown {
  return {
    certificates: secrets.map((s) => ({
      ca_cert: describe(s.name, s.caPem, wall),
      cert_chain: describe(s.name, s.certPem, wall),
    })),
  };
}
