/** TokenRequest and TokenReview (authentication.k8s.io/v1). */
import { type Cause, kindOf } from "../kinds/index.ts";
import type { Authenticator } from "./auth.ts";
import { DEFAULT_TOKEN_SECONDS, MAX_TOKEN_SECONDS, MIN_TOKEN_SECONDS } from "./limits.ts";
import type { Target } from "./prepare.ts";
import type { Registry } from "./registry.ts";
import { badRequest, invalid } from "./status.ts";
import { API_AUDIENCE, type Tokens } from "./tokens.ts";

const accountKind = kindOf("v1", "ServiceAccount")!;
const named = { group: "authentication.k8s.io", plural: "tokenrequests", kind: "TokenRequest" };
/** Audiences of one token. */
const MAX_AUDIENCES = 16;

interface RequestSpec {
  readonly audiences?: unknown;
  readonly expirationSeconds?: unknown;
  readonly boundObjectRef?: unknown;
}

/** POST .../serviceaccounts/<name>/token */
export async function requestToken(
  registry: Registry,
  tokens: Tokens,
  target: Target,
  body: unknown,
): Promise<unknown> {
  const account = await registry.get({ ...target, kind: accountKind });
  const spec = ((body as { spec?: RequestSpec } | undefined)?.spec ?? {}) as RequestSpec;
  const audiences = spec.audiences ?? [API_AUDIENCE];
  const seconds = spec.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
  const causes: Cause[] = [];
  const wrong = (field: string, message: string): void => {
    causes.push({ field, message, reason: "FieldValueInvalid" });
  };
  if (
    !Array.isArray(audiences) ||
    audiences.length > MAX_AUDIENCES ||
    audiences.some((a) => typeof a !== "string" || a === "")
  ) {
    wrong("spec.audiences", `Invalid value: must be a list of at most ${MAX_AUDIENCES} names`);
  }
  if (typeof seconds !== "number" || !Number.isInteger(seconds)) {
    wrong("spec.expirationSeconds", "Invalid value: must be a whole number");
  } else if (seconds < MIN_TOKEN_SECONDS) {
    wrong(
      "spec.expirationSeconds",
      `Invalid value: ${seconds}: may not specify a duration less than 10 minutes`,
    );
  }
  if (spec.boundObjectRef)
    wrong("spec.boundObjectRef", "Forbidden: tokens bound to other objects are not supported");
  if (causes.length > 0) throw invalid(named, "", causes);
  const list = (audiences as string[]).length > 0 ? (audiences as string[]) : [API_AUDIENCE];
  const { token, expires } = tokens.issue(
    { namespace: account.metadata.namespace!, name: account.metadata.name, uid: account.metadata.uid! },
    list,
    Math.min(seconds as number, MAX_TOKEN_SECONDS),
  );
  return {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name: account.metadata.name, namespace: account.metadata.namespace },
    spec: {
      audiences: list,
      expirationSeconds: Math.min(seconds as number, MAX_TOKEN_SECONDS),
      boundObjectRef: null,
    },
    status: { token, expirationTimestamp: new Date(expires * 1000).toISOString().replace(".000Z", "Z") },
  };
}

/** POST .../tokenreviews; a token that is no good is an answer, not an error. */
export async function reviewToken(authenticator: Authenticator, body: unknown): Promise<unknown> {
  const spec = (body as { spec?: { token?: unknown; audiences?: unknown } } | undefined)?.spec;
  if (typeof spec?.token !== "string" || spec.token === "") throw badRequest("token is required");
  const audiences = Array.isArray(spec.audiences) ? spec.audiences.filter((a) => typeof a === "string") : [];
  const result = await authenticator.review(spec.token, audiences);
  const review = { kind: "TokenReview", apiVersion: "authentication.k8s.io/v1", metadata: {}, spec };
  if ("error" in result) return { ...review, status: { user: {}, error: `[${result.error}]` } };
  const { name, uid, groups } = result.user;
  return {
    ...review,
    status: {
      authenticated: true,
      user: { username: name, ...(uid && { uid }), groups },
      audiences: result.audiences,
    },
  };
}
