/** Certificates for tests, good and bad ones: everything that a peer might show. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { systemClock } from "../base/index.ts";
import {
  buildCertificate,
  encodePem,
  generateKey,
  keyToPem,
  oids,
  organizationName,
  spkiOf,
  usageBit,
} from "../identity/x509/index.ts";

const hour = 3_600_000;

export interface IssuingCa {
  readonly key: KeyObject;
  readonly pem: string;
  readonly subject: Buffer;
}

/** A root of its own; two calls never trust each other. */
export function issuingCa(options: { name?: string; now?: number; ttlMs?: number } = {}): IssuingCa {
  const now = options.now ?? realNow();
  const key = generateKey();
  const subject = organizationName(options.name ?? "test root");
  const der = buildCertificate({
    spki: spkiOf(key),
    subject,
    issuer: subject,
    issuerKey: key,
    notBefore: now - hour,
    notAfter: now + (options.ttlMs ?? 100 * hour),
    isCa: true,
    keyUsage: usageBit.keyCertSign | usageBit.crlSign,
  });
  return { key, pem: encodePem(der, "CERTIFICATE"), subject };
}

/** BoringSSL reads the machine's clock, so handshakes need it here too. */
const realNow = (): number => systemClock.wall();

export interface IssueOptions {
  readonly ca: IssuingCa;
  /** URI SAN; omit for none. */
  readonly spiffe?: string;
  readonly extraUris?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  /** Milliseconds from now; default one hour. */
  readonly ttl?: number;
  /** Milliseconds since the epoch; default a minute ago. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly now?: number;
  readonly isCa?: boolean;
  /** Default digitalSignature; 0: no extension. */
  readonly keyUsage?: number;
  /** Default server and client; empty: no extension. */
  readonly eku?: readonly ("server" | "client" | string)[];
  readonly key?: "p256" | "p384" | "rsa2048" | "rsa1024";
  /** Signs with SHA-1. */
  readonly sha1?: boolean;
}

export interface Issued {
  readonly der: Buffer;
  readonly cert: string;
  readonly key: string;
}

function makeKey(kind: IssueOptions["key"]): KeyObject {
  if (kind === "rsa2048" || kind === "rsa1024")
    return generateKeyPairSync("rsa", { modulusLength: kind === "rsa2048" ? 2048 : 1024 }).privateKey;
  return kind === "p384" ? generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey : generateKey();
}

/** ecdsa-with-SHA1, 1.2.840.10045.4.1. */
const sha1Algorithm = Buffer.from("300906072a8648ce3d0401", "hex");

/** A leaf (or a wrong one); PEM of certificate and key. */
export function issue(options: IssueOptions): Issued {
  const { ca } = options;
  const now = options.now ?? realNow();
  const key = makeKey(options.key);
  const names: Record<string, string> = { server: oids.serverAuth, client: oids.clientAuth };
  const uris = [...(options.spiffe === undefined ? [] : [options.spiffe]), ...(options.extraUris ?? [])];
  const der = buildCertificate({
    spki: spkiOf(key),
    subject: organizationName(""),
    issuer: ca.subject,
    issuerKey: ca.key,
    ...(options.sha1
      ? { signer: { algorithm: sha1Algorithm, sign: (bytes: Uint8Array) => sign("sha1", bytes, ca.key) } }
      : {}),
    notBefore: options.notBefore ?? now - 60_000,
    notAfter: options.notAfter ?? now + (options.ttl ?? hour),
    isCa: options.isCa ?? false,
    keyUsage: options.keyUsage ?? usageBit.digitalSignature,
    extendedKeyUsage: (options.eku ?? ["server", "client"]).map((e) => names[e] ?? e),
    names: { uris, dns: options.dns ?? [], ips: options.ips ?? [] },
  });
  return { der, cert: encodePem(der, "CERTIFICATE"), key: keyToPem(key) };
}

/** Certificate and key as the gRPC parts and secrets name them. */
export interface TestIdentity {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface TestLeafOptions extends Pick<IssueOptions, "dns" | "ips" | "notBefore" | "notAfter"> {
  readonly uris?: readonly string[];
}

export interface TestCa {
  readonly caPem: string;
  leaf(options: TestLeafOptions): TestIdentity;
}

/** A fresh root and what it signs, for tests that want good certificates only. */
export function createTestCa(name = "test root"): TestCa {
  const ca = issuingCa({ name });
  return {
    caPem: ca.pem,
    leaf({ uris, ...rest }) {
      const { cert, key } = issue({ ca, ...rest, ...(uris ? { extraUris: uris } : {}) });
      return { certPem: cert, keyPem: key };
    },
  };
}
