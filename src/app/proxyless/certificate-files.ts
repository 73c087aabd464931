/**
 * Key and certificate as files, for gRPC's file_watcher. Each generation has a folder of its own and a link leads to the
 * newest, so that a reader finds key and certificate of the same generation, as with Kubernetes' mounted secrets.
 */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface CertificateTexts {
  readonly certPem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
}

const linkName = "current";
const generation = /^\d+$/;

/** Where readers find the newest; the paths stay the same. */
export function certificatePaths(dir: string): CertificatePaths {
  const inside = (name: string): string => join(dir, linkName, name);
  return {
    certificate: inside("cert-chain.pem"),
    key: inside("key.pem"),
    roots: inside("root-cert.pem"),
  };
}

/** Files of mode 0600 in a folder of mode 0700. The generation before stays, for a reader that is half way. */
export function writeCertificates(dir: string, texts: CertificateTexts): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const numbers = readdirSync(dir)
    .filter((name) => generation.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  const next = (numbers.at(-1) ?? 0) + 1;
  const folder = join(dir, String(next));
  mkdirSync(folder, { mode: 0o700 });
  const files = { "cert-chain.pem": texts.certPem, "key.pem": texts.keyPem, "root-cert.pem": texts.caPem };
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(folder, name), text, { mode: 0o600, flag: "wx" });
  const link = join(dir, `.${linkName}`);
  rmSync(link, { force: true });
  symlinkSync(String(next), link);
  renameSync(link, join(dir, linkName));
  for (const old of numbers.slice(0, -1)) rmSync(join(dir, String(old)), { recursive: true, force: true });
}
