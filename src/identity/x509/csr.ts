/** PKCS#10 certificate requests (RFC 2986). */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { spkiOf } from "./build.ts";
import { type PublicKeyInfo, readExtensions, readPublicKey } from "./certificate.ts";
import {
  children,
  context,
  DerError,
  expect,
  readBitString,
  readDer,
  readOid,
  readSmallInteger,
  tag,
} from "./der.ts";
import { bits, der, octets, oid, sequence, set, small } from "./der-write.ts";
import { generateKey, keyToPem, signerFor } from "./keys.ts";
import { type AltNames, noNames, writeAltNames } from "./names.ts";
import { oids, strongSignatures } from "./oids.ts";
import { decodePem, encodePem } from "./pem.ts";

export interface CertificateRequest {
  readonly publicKey: PublicKeyInfo;
  readonly names: AltNames;
  readonly isCa: boolean;
}

/** DER of a request for that key, with URI SANs. */
export function buildCsr(key: KeyObject, uris: readonly string[]): Buffer {
  const signer = signerFor(key);
  const san = sequence(oid(oids.subjectAltName), octets(writeAltNames({ uris })));
  const attribute = sequence(oid(oids.extensionRequest), set(sequence(san)));
  const info = sequence(small(0), sequence(), spkiOf(key), der(context(0, true), attribute));
  return sequence(info, signer.algorithm, bits(signer.sign(info)));
}

/** A fresh P-256 key and the request for `uri`; the key stays with the caller. */
export function createCsr(uri: string): { readonly keyPem: string; readonly csrPem: string } {
  const key = generateKey();
  return { keyPem: keyToPem(key), csrPem: encodePem(buildCsr(key, [uri]), "CERTIFICATE REQUEST") };
}

function requestedExtensions(attributes: Uint8Array): ReturnType<typeof readExtensions> {
  let found: ReturnType<typeof readExtensions> | undefined;
  for (const attribute of children({ tag: tag.set, content: attributes, whole: attributes })) {
    const [type, values] = children(expect(attribute, tag.sequence));
    if (readOid(type) !== oids.extensionRequest) continue;
    if (found) throw new DerError("two extension requests");
    const list = children(expect(values, tag.set));
    if (list.length !== 1) throw new DerError("an extension request has one value");
    found = readExtensions(list[0]);
  }
  return found ?? readExtensions(undefined);
}

/** Parses a request and checks that it is signed by its own key. Throws DerError. */
export function parseCsr(csrPem: string): CertificateRequest {
  const blocks = [
    ...decodePem(csrPem, "CERTIFICATE REQUEST"),
    ...decodePem(csrPem, "NEW CERTIFICATE REQUEST"),
  ];
  if (blocks.length !== 1) throw new DerError("exactly one certificate request in PEM form is wanted");
  const [info, algorithm, signature, ...more] = children(readDer(blocks[0]!, tag.sequence));
  if (more.length > 0) throw new DerError("a request has three parts");
  const [version, subject, key, attributes] = children(expect(info, tag.sequence));
  if (readSmallInteger(version) !== 0) throw new DerError("unknown request version");
  expect(subject, tag.sequence);
  const publicKey = readPublicKey(key);
  const hash = strongSignatures[readOid(children(expect(algorithm, tag.sequence))[0])];
  if (hash === undefined) throw new DerError("the request is signed with a weak or unknown algorithm");
  let valid = false;
  try {
    const open = createPublicKey({ key: Buffer.from(publicKey.spki), format: "der", type: "spki" });
    valid = verify(hash === "ed25519" ? null : hash, info!.whole, open, readBitString(signature));
  } catch {
    throw new DerError("the request's key cannot be read");
  }
  if (!valid) throw new DerError("the request is not signed by its own key");
  if (!attributes) return { publicKey, names: noNames, isCa: false };
  const { names, isCa } = requestedExtensions(expect(attributes, context(0, true)).content);
  return { publicKey, names, isCa };
}
