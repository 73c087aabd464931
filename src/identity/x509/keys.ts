/** Keys: generated here, never sent anywhere. */
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { tag } from "./der.ts";
import { der, oid, sequence } from "./der-write.ts";

/** A fresh P-256 key. */
export function generateKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export function keyToPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

/** Throws where the text is no private key. */
export function keyFromPem(pem: string): KeyObject {
  return createPrivateKey(pem);
}

export interface Signer {
  /** DER of AlgorithmIdentifier. */
  readonly algorithm: Buffer;
  sign(bytes: Uint8Array): Buffer;
}

/** Signs with the hash that fits the key: P-384 with SHA-384, P-256 and RSA with SHA-256. */
export function signerFor(key: KeyObject): Signer {
  const by = (hash: string, algorithm: Buffer): Signer => ({
    algorithm,
    sign: (bytes) => sign(hash, bytes, key),
  });
  if (key.asymmetricKeyType === "rsa")
    return by("sha256", sequence(oid("1.2.840.113549.1.1.11"), der(tag.null)));
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === "ec" && (curve === "prime256v1" || curve === "P-256"))
    return by("sha256", sequence(oid("1.2.840.10045.4.3.2")));
  if (key.asymmetricKeyType === "ec" && (curve === "secp384r1" || curve === "P-384"))
    return by("sha384", sequence(oid("1.2.840.10045.4.3.3")));
  throw new RangeError("keys are P-256, P-384 or RSA");
}
