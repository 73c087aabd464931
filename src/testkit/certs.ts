/** Certificates for tests: real ones, made on the spot. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { systemClock } from "../base/index.ts";

x509.cryptoProvider.set(webcrypto as never);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export interface TestIdentity {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface TestLeafOptions {
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  /** ms since the epoch; default an hour ago and in an hour. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

export interface TestCa {
  readonly caPem: string;
  leaf(options: TestLeafOptions): Promise<TestIdentity>;
}

const hour = 3_600_000;

async function keyPem(key: CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key as never);
  return x509.PemConverter.encode(der as ArrayBuffer, "PRIVATE KEY");
}

/** A fresh root with its own key, P-256. */
export async function createTestCa(name = "test root"): Promise<TestCa> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = systemClock.wall();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: `CN=${name}`,
    notBefore: new Date(now - hour),
    notAfter: new Date(now + hour),
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  let serial = 2;
  return {
    caPem: root.toString("pem"),
    async leaf(options) {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const names: x509.JsonGeneralName[] = [
        ...(options.uris ?? []).map((value) => ({ type: "url" as const, value })),
        ...(options.dns ?? []).map((value) => ({ type: "dns" as const, value })),
        ...(options.ips ?? []).map((value) => ({ type: "ip" as const, value })),
      ];
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: (serial++).toString(16).padStart(2, "0"),
        subject: "CN=leaf",
        issuer: root.subject,
        notBefore: new Date(options.notBefore ?? now - hour),
        notAfter: new Date(options.notAfter ?? now + hour),
        signingAlgorithm: algorithm,
        publicKey: own.publicKey as never,
        signingKey: keys.privateKey as never,
        extensions: [
          new x509.BasicConstraintsExtension(false),
          new x509.SubjectAlternativeNameExtension(names),
        ],
      });
      return { certPem: certificate.toString("pem"), keyPem: await keyPem(own.privateKey as never) };
    },
  };
}
