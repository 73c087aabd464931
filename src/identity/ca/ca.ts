/** The mesh's certificate authority: a self-signed root, or a CA that somebody stored, behind a CaStore. */
import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { assert, type Clock } from "../../base/index.ts";
import { parseSpiffeId } from "../spiffe/index.ts";
import { weakKey } from "../verify/index.ts";
import {
  buildCertificate,
  type Certificate,
  DerError,
  encodePem,
  generateKey,
  keyFromPem,
  keyToPem,
  oids,
  organizationName,
  parseCertificates,
  parseCsr,
  spkiOf,
  usageBit,
} from "../x509/index.ts";
import {
  backDateMs,
  leafTtlMs,
  maxCsrBytes,
  maxLeafTtlMs,
  minLeafTtlMs,
  rootTtlMs,
  serverTtlMs,
} from "./limits.ts";

/** What is kept; the fields are those of Istio's `cacerts` Secret. PEM text. */
export interface CaMaterial {
  /** ca-key.pem */
  readonly keyPem: string;
  /** ca-cert.pem: the certificate that signs. */
  readonly certPem: string;
  /** cert-chain.pem: from the signing certificate's issuer up, without the root; "" for a self-signed one. */
  readonly chainPem: string;
  /** root-cert.pem: what peers trust; several while a root is changed. */
  readonly rootPem: string;
}

export interface CaStore {
  load(): Promise<CaMaterial | undefined>;
  /** First writer wins: returns what is stored, which may be another's. */
  create(material: CaMaterial): Promise<CaMaterial>;
}

/** For tests, benches and the offline demo. */
export function memoryCaStore(initial?: CaMaterial): CaStore {
  let stored = initial;
  return {
    load: async () => stored,
    create: async (material) => {
      stored ??= material;
      return stored;
    },
  };
}

export interface CaOptions {
  readonly store: CaStore;
  readonly clock: Clock;
  /** As `cluster.local`. */
  readonly trustDomain: string;
  /** Longest life of a leaf, wishes are cut to it; default 90 days. */
  readonly maxLeafTtlMs?: number;
}

export interface Ca {
  /** What peers trust. */
  readonly rootPem: string;
  readonly trustDomain: string;
  /**
   * Signs a request for `id`. Refused with a RangeError: a weak or foreign key, a request that names any SAN but `id`,
   * asks for a CA, or is not signed by its own key. `chainPem`: leaf, intermediates, root(s) last.
   */
  sign(csrPem: string, wish: { id: string; ttlMs?: number }): { chainPem: string[]; notAfter: number };
  /** A certificate with a fresh key for the control plane's own servers. */
  serverCertificate(
    dnsNames: readonly string[],
    ips: readonly string[],
    id?: string,
  ): { certPem: string; keyPem: string; notAfter: number };
}

/** Exported for createCa and tests: a fresh self-signed root. */
export function selfSignedRoot(trustDomain: string, now: number): CaMaterial {
  const key = generateKey();
  const name = organizationName(trustDomain);
  const certPem = encodePem(
    buildCertificate({
      spki: spkiOf(key),
      subject: name,
      issuer: name,
      issuerKey: key,
      notBefore: now - backDateMs,
      notAfter: now + rootTtlMs,
      isCa: true,
      keyUsage: usageBit.keyCertSign | usageBit.crlSign,
    }),
    "CERTIFICATE",
  );
  return { keyPem: keyToPem(key), certPem, chainPem: "", rootPem: certPem };
}

interface Signing {
  readonly key: KeyObject;
  readonly cert: Certificate;
  /** Everything behind the leaf, root last; PEM, one certificate each. */
  readonly behind: readonly string[];
}

const pemOf = (cert: Certificate): string => encodePem(cert.der, "CERTIFICATE");

/** Checks stored material before anything is signed with it. Throws RangeError with the reason. */
function openMaterial(material: CaMaterial, now: number): Signing {
  let key: KeyObject;
  let certs: Certificate[];
  let chain: Certificate[];
  let roots: Certificate[];
  try {
    key = keyFromPem(material.keyPem);
    certs = parseCertificates(material.certPem);
    chain = material.chainPem.trim() === "" ? [] : parseCertificates(material.chainPem);
    roots = parseCertificates(material.rootPem);
  } catch (error) {
    throw new RangeError(
      `stored CA cannot be read: ${error instanceof DerError ? error.message : "bad key"}`,
    );
  }
  const cert = certs[0]!;
  if (!new X509Certificate(cert.der).checkPrivateKey(key))
    throw new RangeError("stored CA: the key does not belong to the certificate");
  if (!cert.isCa) throw new RangeError("stored CA: the certificate is no CA's");
  if (cert.keyUsage !== undefined && (cert.keyUsage & usageBit.keyCertSign) === 0)
    throw new RangeError("stored CA: the certificate may not sign certificates");
  if (now > cert.notAfter)
    throw new RangeError(`stored CA: expired at ${new Date(cert.notAfter).toISOString()}`);
  const root = (c: Certificate): boolean => roots.some((r) => Buffer.compare(r.der, c.der) === 0);
  const middle = [cert, ...certs.slice(1), ...chain].filter((c) => !root(c)).map(pemOf);
  return { key, cert, behind: [...middle, ...roots.map(pemOf)] };
}

function checkCsr(csrPem: string, id: string): Uint8Array {
  if (csrPem.length > maxCsrBytes) throw new RangeError(`request is longer than ${maxCsrBytes} bytes`);
  let csr: ReturnType<typeof parseCsr>;
  try {
    csr = parseCsr(csrPem);
  } catch (error) {
    if (error instanceof DerError) throw new RangeError(`bad request: ${error.message}`);
    throw error;
  }
  const weak = weakKey(csr.publicKey);
  if (weak) throw new RangeError(`bad request: ${weak}`);
  if (csr.isCa) throw new RangeError("bad request: it asks for a CA certificate");
  const { uris, dns, ips, emails, others } = csr.names;
  const foreign = dns.length + ips.length + emails.length + others;
  if (foreign > 0 || uris.some((uri) => uri !== id))
    throw new RangeError(`bad request: it names something else than the caller's identity ${id}`);
  return csr.publicKey.spki;
}

class Authority implements Ca {
  readonly rootPem: string;
  readonly trustDomain: string;
  private readonly signing: Signing;
  private readonly clock: Clock;
  private readonly longest: number;

  constructor(material: CaMaterial, options: CaOptions) {
    this.clock = options.clock;
    this.trustDomain = options.trustDomain;
    this.longest = options.maxLeafTtlMs ?? maxLeafTtlMs;
    this.signing = openMaterial(material, options.clock.wall());
    this.rootPem = material.rootPem;
  }

  sign(csrPem: string, wish: { id: string; ttlMs?: number }): { chainPem: string[]; notAfter: number } {
    const parsed = parseSpiffeId(wish.id);
    if (!parsed.ok) throw new RangeError(`identity ${JSON.stringify(wish.id)}: ${parsed.reason}`);
    if (parsed.id.trustDomain !== this.trustDomain || parsed.id.path === "")
      throw new RangeError(`identity ${wish.id} is not of trust domain ${this.trustDomain}`);
    const ttl = wish.ttlMs === undefined || wish.ttlMs === 0 ? leafTtlMs : wish.ttlMs;
    if (!(ttl >= minLeafTtlMs)) throw new RangeError(`life of ${ttl} ms is below ${minLeafTtlMs} ms`);
    const spki = checkCsr(csrPem, wish.id);
    const leaf = this.issue(spki, Math.min(ttl, this.longest), [oids.serverAuth, oids.clientAuth], {
      uris: [wish.id],
    });
    return { chainPem: [leaf.pem, ...this.signing.behind], notAfter: leaf.notAfter };
  }

  serverCertificate(
    dnsNames: readonly string[],
    ips: readonly string[],
    id?: string,
  ): { certPem: string; keyPem: string; notAfter: number } {
    const key = generateKey();
    const names = { dns: dnsNames, ips, uris: id === undefined ? [] : [id] };
    const ttl = Math.min(serverTtlMs, this.longest);
    const leaf = this.issue(spkiOf(createPublicKey(key)), ttl, [oids.serverAuth], names);
    const middle = this.signing.behind.filter((pem) => !this.rootPem.includes(pem.trim()));
    return { certPem: leaf.pem + middle.join(""), keyPem: keyToPem(key), notAfter: leaf.notAfter };
  }

  /** A leaf never outlives its signer. */
  private issue(
    spki: Uint8Array,
    ttl: number,
    extendedKeyUsage: readonly string[],
    names: { uris?: readonly string[]; dns?: readonly string[]; ips?: readonly string[] },
  ): { pem: string; notAfter: number } {
    const now = this.clock.wall();
    const { cert, key } = this.signing;
    assert(now <= cert.notAfter, "the CA's certificate has expired: nothing can be signed");
    const notAfter = Math.floor(Math.min(now + ttl, cert.notAfter) / 1000) * 1000;
    const der = buildCertificate({
      spki,
      subject: organizationName(""),
      issuer: cert.subject,
      issuerKey: key,
      notBefore: Math.max(now - backDateMs, cert.notBefore),
      notAfter,
      isCa: false,
      keyUsage: usageBit.digitalSignature,
      extendedKeyUsage,
      names,
    });
    return { pem: encodePem(der, "CERTIFICATE"), notAfter };
  }
}

/**
 * Loads the CA, or makes a root (P-256, 10 years) and stores it; where two start at once the first one stored is used
 * by both. Throws RangeError where what is stored cannot be used: it is never replaced silently.
 */
export async function createCa(options: CaOptions): Promise<Ca> {
  const { store, clock, trustDomain } = options;
  const material = (await store.load()) ?? (await store.create(selfSignedRoot(trustDomain, clock.wall())));
  return new Authority(material, options);
}
