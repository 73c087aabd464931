/** Service account tokens: JWT (RFC 7519) with ES256, short-lived, bound to an account and an audience. */
import { createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign, verify } from "node:crypto";
import type { Clock } from "../../base/index.ts";
import { MAX_TOKEN_LENGTH } from "./limits.ts";

export const ISSUER = "https://kubernetes.default.svc.cluster.local";
/** The audience of tokens for this server itself. */
export const API_AUDIENCE = "https://kubernetes.default.svc";
/** Tolerated difference of clocks. */
const LEEWAY_SECONDS = 60;

export interface AccountRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface TokenClaims extends AccountRef {
  readonly audiences: readonly string[];
  /** Seconds since the epoch. */
  readonly expires: number;
}

export interface Tokens {
  issue(
    account: AccountRef,
    audiences: readonly string[],
    seconds: number,
  ): { token: string; expires: number };
  /** Signature, issuer and times; whether the account still exists is the caller's to ask. */
  verify(token: string): TokenClaims | { error: string };
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export function createTokens(options: { privateKeyPem: string; clock: Clock }): Tokens {
  const key = createPrivateKey(options.privateKeyPem);
  const publicKey = createPublicKey(options.privateKeyPem);
  const kid = thumbprint(publicKey);
  const now = (): number => Math.floor(options.clock.wall() / 1000);
  return {
    issue(account, audiences, seconds) {
      const iat = now();
      const body = {
        aud: audiences,
        exp: iat + seconds,
        iat,
        iss: ISSUER,
        jti: randomUUID(),
        "kubernetes.io": {
          namespace: account.namespace,
          serviceaccount: { name: account.name, uid: account.uid },
        },
        nbf: iat,
        sub: `system:serviceaccount:${account.namespace}:${account.name}`,
      };
      const text = `${part({ alg: "ES256", kid, typ: "JWT" })}.${part(body)}`;
      const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
      return { token: `${text}.${signature.toString("base64url")}`, expires: body.exp };
    },
    verify(token) {
      const claims = token.length <= MAX_TOKEN_LENGTH ? checkSignature(token, publicKey) : undefined;
      if (!claims) return { error: "invalid bearer token" };
      return checkClaims(claims, now());
    },
  };
}

/** The payload of a well-signed token. Only ES256 with our key is known: what the header says is never followed. */
function checkSignature(token: string, key: KeyObject): Record<string, unknown> | undefined {
  const parts = token.split(".");
  if (parts.length !== 3 || !parts.every((p) => /^[A-Za-z0-9_-]+$/.test(p))) return undefined;
  try {
    const header = JSON.parse(Buffer.from(parts[0]!, "base64url").toString()) as Record<string, unknown>;
    if (header["alg"] !== "ES256" || header["crit"] !== undefined) return undefined;
    const signature = Buffer.from(parts[2]!, "base64url");
    const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
    if (signature.length !== 64 || !verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature)) {
      return undefined;
    }
    return JSON.parse(Buffer.from(parts[1]!, "base64url").toString()) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function checkClaims(
  claims: Readonly<Record<string, unknown>>,
  now: number,
): TokenClaims | { error: string } {
  const { iss, exp, nbf, aud } = claims;
  const bound = claims["kubernetes.io"] as
    | { namespace?: string; serviceaccount?: { name?: string; uid?: string } }
    | undefined;
  const account = bound?.serviceaccount;
  if (iss !== ISSUER || typeof exp !== "number" || typeof nbf !== "number" || !Array.isArray(aud)) {
    return { error: "invalid bearer token" };
  }
  if (!bound?.namespace || !account?.name || !account.uid) return { error: "invalid bearer token" };
  if (now >= exp + LEEWAY_SECONDS)
    return { error: "invalid bearer token, service account token has expired" };
  if (now < nbf - LEEWAY_SECONDS) {
    return { error: "invalid bearer token, service account token is not valid yet" };
  }
  return {
    namespace: bound.namespace,
    name: account.name,
    uid: account.uid,
    audiences: aud as string[],
    expires: exp,
  };
}

function thumbprint(key: KeyObject): string {
  const der = key.export({ type: "spki", format: "der" });
  return new Bun.CryptoHasher("sha256").update(der).digest("base64url");
}
