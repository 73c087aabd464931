/** Certificates, keys and bundles by name; those that the configuration holds are read and checked here. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { SecretSource, TextSource } from "../compile/index.ts";
import type { SecretChange } from "../config/index.ts";
import { maxSecretBytes } from "./limits.ts";

async function readText(source: TextSource): Promise<string> {
  const text = source.kind === "inline" ? source.text : await readFile(source.path, "utf8");
  if (text.length > maxSecretBytes) throw new Error(`is above ${maxSecretBytes} bytes`);
  return text;
}

/** Undefined if the texts are what they should be; else what is wrong. Expiry is not judged here: clocks differ. */
export function secretProblem(secret: SecretChange): string | undefined {
  try {
    if (secret.caPem !== undefined) new X509Certificate(secret.caPem);
  } catch {
    return "the trust bundle holds no PEM certificate";
  }
  if (secret.certPem === undefined && secret.keyPem === undefined) return undefined;
  if (secret.certPem === undefined || secret.keyPem === undefined)
    return "a certificate and its key go together";
  try {
    const leaf = new X509Certificate(secret.certPem);
    if (!leaf.checkPrivateKey(createPrivateKey(secret.keyPem)))
      return "the key does not belong to the certificate";
  } catch (e) {
    return `the certificate or key is no PEM text: ${e instanceof Error ? e.message : String(e)}`;
  }
  return undefined;
}

/** Reads a secret that the configuration names by file or holds inline. Throws an Error that says which and why. */
export async function readSecret(source: SecretSource): Promise<SecretChange> {
  const part = async (what: string, from: TextSource | undefined): Promise<string | undefined> => {
    if (!from) return undefined;
    try {
      return await readText(from);
    } catch (e) {
      const where = from.kind === "file" ? ` ${from.path}` : "";
      throw new Error(`${what}${where}: ${e instanceof Error ? e.message : String(e)}`);
    }
  };
  const certPem = await part("certificate_chain", source.cert);
  const keyPem = await part("private_key", source.key);
  const caPem = await part("trusted_ca", source.ca);
  const secret: SecretChange = {
    name: source.name,
    ...(certPem !== undefined ? { certPem } : {}),
    ...(keyPem !== undefined ? { keyPem } : {}),
    ...(caPem !== undefined ? { caPem } : {}),
  };
  const wrong = secretProblem(secret);
  if (wrong !== undefined) throw new Error(`secret ${source.name}: ${wrong}`);
  return secret;
}
