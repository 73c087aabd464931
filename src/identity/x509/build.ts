/** Writes X.509 certificates. */
import { createHash, createPublicKey, type KeyObject, randomBytes, type X509Certificate } from "node:crypto";
import { context } from "./der.ts";
import {
  bits,
  bool,
  der,
  namedBits,
  octets,
  oid,
  sequence,
  set,
  small,
  time,
  unsigned,
  utf8,
} from "./der-write.ts";
import { type Signer, signerFor } from "./keys.ts";
import { type AltNameInput, writeAltNames } from "./names.ts";
import { oids } from "./oids.ts";

export interface CertificateInput {
  /** DER of the subject's SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** DER of the names; see commonName(). An empty subject makes the SAN critical (RFC 5280 section 4.2.1.6). */
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  readonly issuerKey: KeyObject;
  /** Instead of the key's own way to sign. */
  readonly signer?: Signer;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly isCa: boolean;
  readonly keyUsage: number;
  /** Object identifiers; none: no extension. */
  readonly extendedKeyUsage?: readonly string[];
  readonly names?: AltNameInput;
  /** Default: a random one of 128 bits. */
  readonly serial?: Uint8Array;
}

/** DER of a name with one organization, or none. */
export function organizationName(organization: string): Buffer {
  return organization === ""
    ? sequence()
    : sequence(set(sequence(oid(oids.organization), utf8(organization))));
}

/** DER of a key's SubjectPublicKeyInfo. */
export function spkiOf(key: KeyObject | X509Certificate["publicKey"]): Buffer {
  const open = key.type === "private" ? createPublicKey(key) : key;
  return open.export({ type: "spki", format: "der" }) as Buffer;
}

/** RFC 7093 method 1: the first 160 bits of SHA-256 over the public key's bits are enough to tell keys apart. */
const keyId = (spki: Uint8Array): Buffer => createHash("sha256").update(spki).digest().subarray(0, 20);

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return critical ? sequence(oid(id), bool(true), octets(value)) : sequence(oid(id), octets(value));
}

function extensions(input: CertificateInput): Buffer {
  const names = input.names ?? {};
  const named = (names.uris?.length ?? 0) + (names.dns?.length ?? 0) + (names.ips?.length ?? 0) > 0;
  const emptySubject = input.subject.length === 2;
  const usages = input.extendedKeyUsage ?? [];
  return sequence(
    extension(oids.basicConstraints, true, input.isCa ? sequence(bool(true)) : sequence()),
    ...(input.keyUsage ? [extension(oids.keyUsage, true, namedBits(input.keyUsage))] : []),
    ...(usages.length > 0 ? [extension(oids.extendedKeyUsage, false, sequence(...usages.map(oid)))] : []),
    extension(oids.subjectKeyId, false, octets(keyId(input.spki))),
    extension(oids.authorityKeyId, false, sequence(der(context(0, false), keyId(spkiOf(input.issuerKey))))),
    ...(named ? [extension(oids.subjectAltName, emptySubject, writeAltNames(names))] : []),
  );
}

/** A serial number with 127 random bits: positive, never 0. */
function randomSerial(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

/** DER of a signed certificate. */
export function buildCertificate(input: CertificateInput): Buffer {
  const signer = input.signer ?? signerFor(input.issuerKey);
  const tbs = sequence(
    der(context(0, true), small(2)),
    unsigned(input.serial ?? randomSerial()),
    signer.algorithm,
    input.issuer,
    sequence(time(input.notBefore), time(input.notAfter)),
    input.subject,
    input.spki,
    der(context(3, true), extensions(input)),
  );
  return sequence(tbs, signer.algorithm, bits(signer.sign(tbs)));
}
