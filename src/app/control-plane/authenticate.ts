/** Who calls the control plane: a service account's token for audience `weft-ca`, judged by TokenReview. */
import type { Clock } from "../../base/index.ts";
import type { KubeClient, TokenIdentity } from "../../kube/client/index.ts";

export const caAudience = "weft-ca";

/** How long a good answer is believed; a token that was just revoked works at most this long. */
const rememberMs = 10_000;
const maxRemembered = 4_096;

export type Verdict =
  | { readonly ok: true; readonly namespace: string; readonly serviceAccount: string }
  | { readonly ok: false; readonly reason: string };

export type AuthenticateToken = (authorization: string | undefined) => Promise<Verdict>;

/** Rejects only where TokenReview itself failed: the caller may try again. */
export function tokenAuthenticator(client: KubeClient, clock: Clock): AuthenticateToken {
  const good = new Map<string, { readonly identity: TokenIdentity; readonly until: number }>();
  return async (authorization) => {
    const token = /^bearer ([\w.~+/=-]+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) return { ok: false, reason: "no bearer token" };
    const key = new Bun.CryptoHasher("sha256").update(token).digest("base64");
    const known = good.get(key);
    if (known !== undefined && known.until > clock.now()) return { ok: true, ...plain(known.identity) };
    const review = await client.tokenReview(token, [caAudience]);
    if (!review.authenticated) return { ok: false, reason: review.reason };
    if (review.identity === undefined)
      return { ok: false, reason: `${review.username} is not a service account` };
    if (good.size >= maxRemembered) good.clear();
    good.set(key, { identity: review.identity, until: clock.now() + rememberMs });
    return { ok: true, ...plain(review.identity) };
  };
}

const plain = ({ namespace, serviceAccount }: TokenIdentity) => ({ namespace, serviceAccount });
