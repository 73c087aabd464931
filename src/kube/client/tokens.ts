/** authentication.k8s.io: tokens of service accounts, and what a token proves. */
import { KubeError } from "./error.ts";
import { pathOf } from "./paths.ts";
import { refs } from "./refs.ts";
import type { Transport } from "./transport.ts";
import type { TokenIdentity, TokenReviewResult } from "./types.ts";

export async function tokenRequest(
  transport: Transport,
  namespace: string,
  serviceAccount: string,
  options: { audience?: string; seconds: number },
): Promise<{ token: string; expiresAtMs: number }> {
  const path = pathOf(refs.serviceAccount, { namespace, name: serviceAccount, subresource: "token" });
  const body = await transport.json<{ status?: { token?: unknown; expirationTimestamp?: unknown } }>({
    method: "POST",
    path,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {
        audiences: options.audience === undefined ? [] : [options.audience],
        expirationSeconds: options.seconds,
      },
    },
  });
  const token = body.status?.token;
  if (typeof token !== "string" || token === "")
    throw new KubeError({
      status: 0,
      reason: "InvalidResponse",
      message: `POST ${path}: no token in the answer`,
    });
  return { token, expiresAtMs: Date.parse(String(body.status?.expirationTimestamp)) || 0 };
}

/** Only a token of a service account whose audiences overlap the asked ones carries an identity. */
export async function tokenReview(
  transport: Transport,
  token: string,
  audiences: readonly string[],
): Promise<TokenReviewResult> {
  const body = await transport.json<{
    status?: {
      authenticated?: unknown;
      error?: unknown;
      audiences?: unknown;
      user?: { username?: unknown; uid?: unknown };
    };
  }>({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token, audiences } },
  });
  const status = body.status ?? {};
  if (status.authenticated !== true)
    return {
      authenticated: false,
      reason:
        typeof status.error === "string" && status.error !== "" ? status.error : "the token is not valid",
    };
  // A server that ignores audiences answers without any: then the token was not made for us.
  const granted = Array.isArray(status.audiences) ? status.audiences : [];
  if (audiences.length > 0 && !audiences.some((a) => granted.includes(a)))
    return { authenticated: false, reason: `the token is not for ${audiences.join(", ")}` };
  const username = String(status.user?.username ?? "");
  const identity = identityOf(username, String(status.user?.uid ?? ""));
  return { authenticated: true, username, ...(identity === undefined ? {} : { identity }) };
}

/** `system:serviceaccount:<namespace>:<name>`. */
export function identityOf(username: string, uid = ""): TokenIdentity | undefined {
  const match = /^system:serviceaccount:([a-z0-9][a-z0-9-]{0,62}):([a-z0-9][a-z0-9.-]{0,252})$/.exec(
    username,
  );
  return match === null ? undefined : { namespace: match[1]!, serviceAccount: match[2]!, uid };
}
