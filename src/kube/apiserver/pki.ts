/** Keys and certificates of the server, made at the first start and kept in its data directory (files 0600). */
import { generateKeyPairSync, randomBytes, timingSafeEqual, webcrypto } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import type { Clock } from "../../base/index.ts";

export interface Pki {
  readonly caPem: string;
  /** Chain and key of this start's server certificate. */
  readonly certPem: string;
  readonly keyPem: string;
  readonly adminToken: string;
  /** Signs service account tokens. */
  readonly tokenKeyPem: string;
}

const DAY_MS = 86_400_000;
/** The CA lives long: kubeconfigs carry it. The server's certificate is made anew at each start. */
const CA_DAYS = 3650;
const SERVER_DAYS = 365;
/** Certificates begin in the past, so that a client whose clock is behind accepts them. */
const BACKDATE_MS = 120_000;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Writes a file that only its owner may read, whole or not at all. */
export function writePrivate(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

function once(file: string, make: () => string): string {
  if (!existsSync(file)) writePrivate(file, make());
  return readFileSync(file, "utf8");
}

/** What makes a server the one that its clients know, in its folder `pki`. */
export const pkiFiles: readonly string[] = ["admin-token", "ca.pem", "service-account.key"];

/** Puts those of the files that are given in their place. */
export function writePki(dataDir: string, kept: Readonly<Record<string, string>>): void {
  const dir = join(dataDir, "pki");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const name of pkiFiles) if (kept[name] !== undefined) writePrivate(join(dir, name), kept[name]);
}

/** Loads or makes everything; `hosts` are the names and addresses that clients use. */
export async function loadPki(dataDir: string, hosts: readonly string[], clock: Clock): Promise<Pki> {
  const dir = join(dataDir, "pki");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const adminToken = once(join(dir, "admin-token"), () => randomBytes(32).toString("base64url")).trim();
  const tokenKeyPem = once(join(dir, "service-account.key"), () =>
    generateKeyPairSync("ec", { namedCurve: "P-256" })
      .privateKey.export({ type: "pkcs8", format: "pem" })
      .toString(),
  );
  const caFile = join(dir, "ca.pem");
  if (!existsSync(caFile)) writePrivate(caFile, await makeCa(clock));
  const bundle = readFileSync(caFile, "utf8");
  const caPem = section(bundle, "CERTIFICATE");
  const server = await makeServer(bundle, hosts, clock);
  return { caPem, adminToken, tokenKeyPem, ...server };
}

/** Equal without telling by its time how far. */
export function sameSecret(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

const section = (pem: string, label: string): string => {
  const found = pem.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`));
  if (!found) throw new Error(`the API server's CA file holds no ${label}; remove it to have a new one made`);
  return `${found[0]}\n`;
};

const serial = (): string => `00${randomBytes(15).toString("hex")}`;

async function library() {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto as Crypto);
  return x509;
}

async function exportKey(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{64}/g, "$&\n").trimEnd()}\n-----END PRIVATE KEY-----\n`;
}

/** Key and certificate in one file, so that they cannot be parted by a crash between two writes. */
async function makeCa(clock: Clock): Promise<string> {
  const x509 = await library();
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const now = clock.wall();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: "CN=weft-apiserver-ca",
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + CA_DAYS * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return `${ca.toString("pem")}\n${await exportKey(keys.privateKey)}`;
}

async function makeServer(
  bundle: string,
  hosts: readonly string[],
  clock: Clock,
): Promise<{ certPem: string; keyPem: string }> {
  const x509 = await library();
  const ca = new x509.X509Certificate(section(bundle, "CERTIFICATE"));
  const der = Buffer.from(section(bundle, "PRIVATE KEY").replace(/-----[^-]+-----|\s/g, ""), "base64");
  const signingKey = await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const now = clock.wall();
  const names = [...new Set(["localhost", "kubernetes.default.svc", "127.0.0.1", ...hosts])];
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: "CN=weft-apiserver",
    issuer: ca.subject,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + SERVER_DAYS * DAY_MS),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }) as const),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  return { certPem: `${cert.toString("pem")}\n`, keyPem: await exportKey(keys.privateKey) };
}
