/** Who asks, and what may they do. */
import { type Kind, kindOf } from "../kinds/index.ts";
import { decodeRow, keyOf } from "./document.ts";
import { MAX_TOKEN_LENGTH } from "./limits.ts";
import { sameSecret } from "./pki.ts";
import type { Registry } from "./registry.ts";
import { forbidden, unauthorized } from "./status.ts";
import { type AccountRef, API_AUDIENCE, type TokenClaims, type Tokens } from "./tokens.ts";

export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  /** Set for service accounts. */
  readonly account?: AccountRef;
}

const ADMINISTRATORS = "system:masters";
const accountKind = kindOf("v1", "ServiceAccount")!;

export interface Authenticator {
  /** The user of a request. Throws 401. */
  authenticate(request: Request): Promise<User>;
  /** The user of a token for one of the audiences, as TokenReview tells it. */
  review(
    token: string,
    audiences: readonly string[],
  ): Promise<{ user: User; audiences: string[] } | { error: string }>;
}

export function createAuthenticator(options: {
  registry: Registry;
  tokens: Tokens;
  adminToken: string;
}): Authenticator {
  const { registry, tokens, adminToken } = options;
  const review: Authenticator["review"] = async (token, audiences) => {
    const wanted = audiences.length > 0 ? audiences : [API_AUDIENCE];
    if (token !== "" && token.length <= MAX_TOKEN_LENGTH && sameSecret(token, adminToken)) {
      if (!wanted.includes(API_AUDIENCE))
        return { error: "invalid bearer token, token audiences do not match" };
      return {
        user: { name: "weft-admin", groups: ["system:masters", "system:authenticated"] },
        audiences: [API_AUDIENCE],
      };
    }
    const claims = tokens.verify(token);
    if ("error" in claims) return claims;
    const shared = claims.audiences.filter((a) => wanted.includes(a));
    if (shared.length === 0) {
      return {
        error: `invalid bearer token, token audiences ${JSON.stringify(claims.audiences)} is invalid for the target audiences ${JSON.stringify(wanted)}`,
      };
    }
    const missing = await accountError(registry, claims);
    return missing ? { error: missing } : { user: userOf(claims), audiences: shared };
  };
  return {
    review,
    async authenticate(request) {
      const [scheme, token] = (request.headers.get("authorization") ?? "").split(" ");
      if (scheme?.toLowerCase() !== "bearer" || !token) throw unauthorized();
      const result = await review(token, []);
      if ("error" in result) throw unauthorized();
      return impersonated(request, result.user);
    },
  };
}

/** `kubectl --as`: an administrator may act as somebody else. */
function impersonated(request: Request, user: User): User {
  const name = request.headers.get("impersonate-user");
  if (name === null) return user;
  if (!user.groups.includes(ADMINISTRATORS))
    throw forbidden(
      `users ${JSON.stringify(name.slice(0, 253))} is forbidden: User "${user.name}" cannot impersonate resource "users" in API group "" at the cluster scope`,
    );
  const groups = (request.headers.get("impersonate-group") ?? "").split(",").map((g) => g.trim());
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? [];
  return {
    name,
    groups: [...groups.filter((g) => g !== ""), "system:authenticated"],
    ...(namespace && account && { account: { namespace, name: account, uid: "" } }),
  };
}

/** A token dies with its account; an account made anew under the same name has another uid. */
async function accountError(registry: Registry, claims: TokenClaims): Promise<string | undefined> {
  const row = await registry.store.get(keyOf(accountKind, claims.namespace, claims.name));
  if (!row)
    return `invalid bearer token, service account ${claims.namespace}/${claims.name} has been deleted`;
  const uid = decodeRow(accountKind, "v1", row).metadata.uid;
  return uid === claims.uid ? undefined : "invalid bearer token, the service account was made anew";
}

const userOf = (claims: TokenClaims): User => ({
  name: `system:serviceaccount:${claims.namespace}:${claims.name}`,
  uid: claims.uid,
  groups: ["system:serviceaccounts", `system:serviceaccounts:${claims.namespace}`, "system:authenticated"],
  account: { namespace: claims.namespace, name: claims.name, uid: claims.uid },
});

/** What a request does, in Kubernetes' words. */
export interface Attributes {
  readonly verb: string;
  readonly kind: Pick<Kind, "group" | "plural">;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** ConfigMaps of the control plane that every workload reads (addresses, the root certificate). */
const PUBLIC_CONFIG = ["weft-ca-root-cert", "weft-control-plane"];

/**
 * The fixed policy. The administrator may do all. A service account may do what a sidecar needs: read the control
 * plane's ConfigMaps; read Services and endpoints of its namespace; keep WorkloadEntries and Leases there; ask for
 * tokens of itself. It reads no Secret.
 */
export function authorize(user: User, a: Attributes): void {
  if (permits(user, a)) return;
  const what = `${a.kind.plural}${a.subresource ? `/${a.subresource}` : ""}`;
  throw forbidden(
    `${what}${a.kind.group ? `.${a.kind.group}` : ""}${a.name ? ` "${a.name}"` : ""} is forbidden: User "${user.name}" cannot ${a.verb} resource "${what}" in API group "${a.kind.group}"${a.namespace ? ` in the namespace "${a.namespace}"` : " at the cluster scope"}`,
    { ...(a.name && { name: a.name }), ...(a.kind.group && { group: a.kind.group }), kind: a.kind.plural },
  );
}

export const isAdministrator = (user: User): boolean => user.groups.includes(ADMINISTRATORS);

/** Whether the fixed policy lets a user do something. */
export const permits = (user: User, a: Attributes): boolean =>
  isAdministrator(user) || (user.account !== undefined && allowed(user.account, a));

/** The same as a list, for `kubectl auth can-i --list`. */
export function rulesOf(user: User, namespace: string): unknown {
  const all = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
  const admin = user.groups.includes(ADMINISTRATORS);
  const own = user.account?.namespace === namespace;
  const reads = ["get", "list", "watch"];
  const keeps = [...reads, "create", "update", "patch", "delete"];
  const rules = [
    { verbs: ["get"], apiGroups: [""], resources: ["configmaps"], resourceNames: PUBLIC_CONFIG },
    { verbs: reads, apiGroups: [""], resources: ["services"] },
    { verbs: reads, apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"] },
    { verbs: keeps, apiGroups: ["networking.istio.io"], resources: ["workloadentries"] },
    { verbs: keeps, apiGroups: ["coordination.k8s.io"], resources: ["leases"] },
  ];
  return {
    resourceRules: admin ? [all] : own ? rules : [],
    nonResourceRules: [
      { verbs: ["get"], nonResourceURLs: admin ? ["*"] : ["/version", "/healthz", "/readyz"] },
    ],
    incomplete: false,
  };
}

function allowed(account: AccountRef, a: Attributes): boolean {
  const read = a.verb === "get" || a.verb === "list" || a.verb === "watch";
  const own = a.namespace === account.namespace;
  switch (`${a.kind.group}/${a.kind.plural}`) {
    case "/configmaps":
      return (
        a.verb === "get" && PUBLIC_CONFIG.includes(a.name ?? "") && (own || a.namespace === "weft-system")
      );
    case "/services":
    case "discovery.k8s.io/endpointslices":
      return own && read;
    case "networking.istio.io/workloadentries":
    case "coordination.k8s.io/leases":
      return own && a.verb !== "deletecollection";
    case "/serviceaccounts":
      return (
        own &&
        a.name === account.name &&
        (a.verb === "get" || (a.verb === "create" && a.subresource === "token"))
      );
    default:
      return false;
  }
}
