/** An identity with its key, and the check that one hangs together. */
import { createPublicKey, X509Certificate } from "node:crypto";
import { verifySpiffeLeaf } from "../verify/index.ts";
import {
  type Certificate,
  DerError,
  encodePem,
  keyFromPem,
  parseCertificate,
  parseCertificates,
} from "../x509/index.ts";
import { maxAnswerCertificates } from "./limits.ts";

export interface Svid {
  readonly id: string;
  /** Leaf and intermediates, PEM. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Roots to trust, PEM. */
  readonly caPem: string;
  /** When it was received, and when it ends; milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly notAfter: number;
}

export type SvidResult =
  | { readonly ok: true; readonly svid: Svid }
  | { readonly ok: false; readonly reason: string };

const no = (reason: string): SvidResult => ({ ok: false, reason });
const pem = (cert: Certificate): string => encodePem(cert.der, "CERTIFICATE");
const isRoot = (cert: Certificate): boolean => cert.isCa && Buffer.compare(cert.issuer, cert.subject) === 0;

function signedBy(cert: Certificate, issuers: readonly Certificate[]): boolean {
  const own = new X509Certificate(cert.der);
  return issuers.some((issuer) => {
    if (!issuer.isCa || Buffer.compare(issuer.subject, cert.issuer) !== 0) return false;
    const spki = { key: Buffer.from(issuer.publicKey.spki), format: "der", type: "spki" } as const;
    return own.verify(createPublicKey(spki));
  });
}

/** Follows the intermediates to a root; each must be signed by one of the others. */
function reachesRoot(
  leaf: Certificate,
  middle: readonly Certificate[],
  roots: readonly Certificate[],
): boolean {
  return [leaf, ...middle].every((cert) => signedBy(cert, [...middle.filter((m) => m !== cert), ...roots]));
}

/** The certificates without repetition. */
export function unionPem(...bundles: readonly string[]): string {
  const all = bundles.filter((b) => b.trim() !== "").flatMap(parseCertificates);
  return [...new Set(all.map(pem))].join("");
}

/**
 * Puts together an answer of the CA: leaf first, roots anywhere behind it. Roots to trust: `trustBundle` where given
 * (the CA's word alone adds none), else those of the answer.
 */
export function assembleSvid(input: {
  readonly id: string;
  readonly keyPem: string;
  readonly chain: readonly string[];
  readonly trustBundle: string;
  readonly now: number;
}): SvidResult {
  const { id, keyPem, now } = input;
  try {
    const certs = input.chain.flatMap(parseCertificates);
    const [leaf, ...rest] = certs;
    if (!leaf) return no("the answer has no certificate");
    if (certs.length > maxAnswerCertificates) return no("the answer has too many certificates");
    const middle = rest.filter((cert) => !isRoot(cert));
    const trusted = unionPem(input.trustBundle);
    const caPem = trusted === "" ? unionPem(...rest.filter(isRoot).map(pem)) : trusted;
    const roots = caPem === "" ? [] : parseCertificates(caPem);
    const reason = problem(leaf, id, keyPem, now);
    if (reason) return no(reason);
    if (!reachesRoot(leaf, middle, roots)) return no("the certificate does not reach a trusted root");
    const certPem = [leaf, ...middle].map(pem).join("");
    return { ok: true, svid: { id, certPem, keyPem, caPem, issuedAt: now, notAfter: leaf.notAfter } };
  } catch (error) {
    if (error instanceof DerError) return no(error.message);
    return no(`the answer cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function problem(leaf: Certificate, id: string, keyPem: string, now: number): string | undefined {
  if (leaf.notBefore > now) {
    const minutes = Math.ceil((leaf.notBefore - now) / 60_000);
    return `clock skew: the certificate begins in ${minutes} min; this machine's clock is behind the control plane's`;
  }
  for (const usage of ["client", "server"] as const) {
    const verdict = verifySpiffeLeaf(leaf.der, { trustDomains: "any", allowed: [{ exact: id }], usage, now });
    if (!verdict.ok) return verdict.reason;
  }
  const own = new X509Certificate(leaf.der).checkPrivateKey(keyFromPem(keyPem));
  return own ? undefined : "the certificate is not for the key that was asked for";
}

/** Whether a stored SVID may still be used; the reason when not. */
export function checkSvid(svid: Svid, id: string, now: number): string | undefined {
  if (svid.id !== id) return `it is ${svid.id}`;
  const assembled = assembleSvid({ ...svid, chain: [svid.certPem], trustBundle: svid.caPem, now });
  if (!assembled.ok) return assembled.reason;
  return parseCertificate(parseCertificates(svid.certPem)[0]!.der).notAfter === svid.notAfter
    ? undefined
    : "its times do not agree";
}
