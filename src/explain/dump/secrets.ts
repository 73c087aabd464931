import { X509Certificate } from "node:crypto";
import type { Dump, DumpedResource } from "./dump.ts";
import type { DumpFilter } from "./filter.ts";
import { type Json, objectAt, textAt } from "./json.ts";

/** One certificate chain, by its leaf, or one root. */
export interface SecretRow {
  readonly name: string;
  readonly type: "Cert Chain" | "CA" | "-";
  readonly status: "ACTIVE" | "WARMING";
  /** Within its time, at the time that was asked about. */
  readonly valid: boolean | undefined;
  readonly serial: string;
  /** ISO 8601. */
  readonly notAfter: string;
  readonly notBefore: string;
  /** URI names of the certificate: whose it is. */
  readonly identity: string;
  readonly source: DumpedResource;
}

const pemBlock = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** `now`: milliseconds since the epoch. */
export function secretRows(dump: Dump, now: number, filter: DumpFilter = {}): readonly SecretRow[] {
  return dump.secrets
    .filter((s) => filter.name === undefined || s.name === filter.name)
    .flatMap((source) => rowsOf(source, now));
}

function rowsOf(source: DumpedResource, now: number): readonly SecretRow[] {
  const { resource, name, state } = source;
  const status = state === "warming" ? "WARMING" : "ACTIVE";
  const chain = objectAt(resource, "tls_certificate", "certificate_chain");
  const roots = objectAt(resource, "validation_context", "trusted_ca");
  const empty = { valid: undefined, serial: "-", notAfter: "-", notBefore: "-", identity: "" };
  const rows: SecretRow[] = [];
  if (chain) {
    const [leaf] = certificates(chain);
    rows.push({ name, type: "Cert Chain", status, ...(leaf ? facts(leaf, now) : empty), source });
  }
  for (const root of roots ? certificates(roots) : [])
    rows.push({ name, type: "CA", status, ...facts(root, now), source });
  return rows.length > 0 ? rows : [{ name, type: roots ? "CA" : "-", status, ...empty, source }];
}

function certificates(data: Json): readonly X509Certificate[] {
  const bytes = textAt(data, "inline_bytes");
  const text = bytes === "" ? textAt(data, "inline_string") : Buffer.from(bytes, "base64").toString("latin1");
  return (text.match(pemBlock) ?? []).flatMap((pem) => {
    try {
      return [new X509Certificate(pem)];
    } catch {
      // Envoy's dump may cut or mask what it holds: such a row says only that it is there.
      return [];
    }
  });
}

function facts(
  certificate: X509Certificate,
  now: number,
): Pick<SecretRow, "valid" | "serial" | "notAfter" | "notBefore" | "identity"> {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  const uris = (certificate.subjectAltName ?? "").match(/URI:[^,]+/g) ?? [];
  return {
    valid: from <= now && now <= to,
    serial: certificate.serialNumber.toLowerCase(),
    notAfter: new Date(to).toISOString(),
    notBefore: new Date(from).toISOString(),
    identity: uris.map((u) => u.slice(4)).join(","),
  };
}
