/** Reads an X.509 certificate (RFC 5280): what the identity checks need, nothing trusted by being there. */
import {
  children,
  context,
  DerError,
  type DerNode,
  expect,
  readBitString,
  readBoolean,
  readDer,
  readInteger,
  readNamedBits,
  readOid,
  readSmallInteger,
  readTime,
  tag,
} from "./der.ts";
import { type AltNames, noNames, readAltNames } from "./names.ts";
import { curveBits, oids, strongSignatures } from "./oids.ts";
import { decodePem } from "./pem.ts";

export interface PublicKeyInfo {
  readonly type: "ec" | "rsa" | "ed25519" | "other";
  /** Size in bits; 0 where the curve or type is not known. */
  readonly bits: number;
  /** DER of SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

export interface Certificate {
  readonly der: Uint8Array;
  /** Hexadecimal, lower case. */
  readonly serial: string;
  /** DER of the names; compare as bytes. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since the epoch, both ends included. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKeyInfo;
  /** Hash of the signature; undefined where it is weak (SHA-1, MD5) or not known. */
  readonly signatureHash: string | undefined;
  readonly names: AltNames;
  readonly isCa: boolean;
  /** Bits as usageBit; undefined without the extension. */
  readonly keyUsage: number | undefined;
  /** Object identifiers; undefined without the extension. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Critical extensions that are not understood: each a reason to refuse. */
  readonly unknownCritical: readonly string[];
}

interface Extensions {
  names: AltNames;
  isCa: boolean;
  keyUsage: number | undefined;
  extendedKeyUsage: string[] | undefined;
  unknownCritical: string[];
}

function basicConstraints(bytes: Uint8Array): boolean {
  const parts = children(readDer(bytes, tag.sequence));
  const first = parts[0];
  const isCa = first?.tag === tag.boolean && readBoolean(first);
  const rest = first?.tag === tag.boolean ? parts.slice(1) : parts;
  if (rest.length > 1) throw new DerError("bad basicConstraints");
  if (rest[0]) readSmallInteger(rest[0]);
  return isCa;
}

function applyExtension(into: Extensions, id: string, critical: boolean, value: Uint8Array): void {
  if (id === oids.subjectAltName) into.names = readAltNames(value);
  else if (id === oids.basicConstraints) into.isCa = basicConstraints(value);
  else if (id === oids.keyUsage) into.keyUsage = readNamedBits(readDer(value));
  else if (id === oids.extendedKeyUsage)
    into.extendedKeyUsage = children(readDer(value, tag.sequence)).map(readOid);
  else if (critical) into.unknownCritical.push(id);
}

/** Reads a list of extensions; one that comes twice is an error. */
export function readExtensions(list: DerNode | undefined): Extensions {
  const into: Extensions = {
    names: noNames,
    isCa: false,
    keyUsage: undefined,
    extendedKeyUsage: undefined,
    unknownCritical: [],
  };
  if (!list) return into;
  const seen = new Set<string>();
  for (const extension of children(expect(list, tag.sequence))) {
    const parts = children(expect(extension, tag.sequence));
    const id = readOid(parts[0]);
    if (seen.has(id)) throw new DerError(`extension ${id} comes twice`);
    seen.add(id);
    const critical = parts.length === 3 && readBoolean(parts[1]!);
    if (parts.length < 2 || parts.length > 3) throw new DerError("bad extension");
    applyExtension(into, id, critical, expect(parts[parts.length - 1], tag.octetString).content);
  }
  return into;
}

function rsaBits(key: Uint8Array): number {
  const modulus = readInteger(children(readDer(key, tag.sequence))[0]);
  if (modulus[0]! >= 0x80) throw new DerError("negative RSA modulus");
  const top = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  return top.length === 0 ? 0 : top.length * 8 - Math.clz32(top[0]!) + 24;
}

export function readPublicKey(node: DerNode | undefined): PublicKeyInfo {
  const found = expect(node, tag.sequence);
  const [algorithm, key] = children(found);
  const parts = children(expect(algorithm, tag.sequence));
  const id = readOid(parts[0]);
  const bits = readBitString(key);
  const spki = found.whole;
  if (id === oids.rsa) return { type: "rsa", bits: rsaBits(bits), spki };
  if (id === oids.ed25519) return { type: "ed25519", bits: 256, spki };
  if (id !== oids.ec) return { type: "other", bits: 0, spki };
  const curve = parts[1]?.tag === tag.oid ? readOid(parts[1]) : "";
  return { type: "ec", bits: curveBits[curve] ?? 0, spki };
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Parses one certificate. Throws DerError; never reads past the bytes and never recurses by their content. */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const top = children(readDer(bytes, tag.sequence));
  const [tbs, algorithm, signature] = top;
  if (top.length !== 3) throw new DerError("a certificate has three parts");
  const parts = children(expect(tbs, tag.sequence));
  const version = parts[0]?.tag === context(0, true) ? children(parts.shift()!)[0] : undefined;
  if (!version || readSmallInteger(version) !== 2) throw new DerError("not an X.509 version 3 certificate");
  const [serial, inner, issuer, validity, subject, key, ...optional] = parts;
  if (!equal(expect(inner, tag.sequence).whole, expect(algorithm, tag.sequence).whole))
    throw new DerError("the two signature algorithms differ");
  readBitString(signature);
  const times = children(expect(validity, tag.sequence));
  if (times.length !== 2) throw new DerError("bad validity");
  const last = optional[optional.length - 1];
  const tagged = last?.tag === context(3, true) ? last : undefined;
  const extensions = readExtensions(tagged && readDer(tagged.content));
  return {
    der: bytes,
    serial: Buffer.from(readInteger(serial)).toString("hex"),
    issuer: expect(issuer, tag.sequence).whole,
    subject: expect(subject, tag.sequence).whole,
    notBefore: readTime(times[0]),
    notAfter: readTime(times[1]),
    publicKey: readPublicKey(key),
    signatureHash: strongSignatures[readOid(children(algorithm!)[0])],
    ...extensions,
  };
}

/** The certificates of a PEM text, in order. Throws DerError, also where there is none. */
export function parseCertificates(pem: string): Certificate[] {
  const blocks = decodePem(pem, "CERTIFICATE");
  if (blocks.length === 0) throw new DerError("no certificate in PEM form");
  return blocks.map(parseCertificate);
}
