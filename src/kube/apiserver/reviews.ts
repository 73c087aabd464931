/** Questions about who one is and what one may do (authentication.k8s.io, authorization.k8s.io). */
import { type Authenticator, authorize, permits, rulesOf, type User } from "./auth.ts";
import { badRequest, noSuchPath } from "./status.ts";
import { reviewToken } from "./token-api.ts";

interface ResourceAttributes {
  readonly namespace?: string;
  readonly verb?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
}
interface ReviewSpec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly namespace?: string;
}

/** What a POST of a review answers; undefined where the path names none. */
export async function answerReview(
  authenticator: Authenticator,
  user: User,
  path: string,
  body: () => Promise<unknown>,
): Promise<unknown> {
  const [, group, plural, namespace] = paths(path);
  if (group === undefined || plural === undefined) return undefined;
  const others = ["tokenreviews", "subjectaccessreviews", "localsubjectaccessreviews"];
  if (others.includes(plural))
    authorize(user, {
      verb: "create",
      kind: { group, plural },
      namespace,
      name: undefined,
      subresource: undefined,
    });
  const value = await body();
  if (plural === "tokenreviews") return reviewToken(authenticator, value);
  const spec = ((value as { spec?: ReviewSpec } | undefined)?.spec ?? {}) as ReviewSpec;
  const about = (kind: string, status: unknown) => ({
    kind,
    apiVersion: `${group}/v1`,
    metadata: {},
    spec,
    status,
  });
  switch (plural) {
    case "selfsubjectreviews": {
      const userInfo = { username: user.name, ...(user.uid && { uid: user.uid }), groups: user.groups };
      const { spec: _, ...review } = about("SelfSubjectReview", { userInfo });
      return review;
    }
    case "selfsubjectaccessreviews":
      return about("SelfSubjectAccessReview", decide(user, spec));
    case "selfsubjectrulesreviews":
      return about("SelfSubjectRulesReview", rulesOf(user, spec.namespace ?? ""));
    case "subjectaccessreviews":
      return about("SubjectAccessReview", decide(subject(spec), spec));
    case "localsubjectaccessreviews":
      return about("LocalSubjectAccessReview", decide(subject(spec), spec));
    default:
      throw noSuchPath();
  }
}

/** Whole, group, plural and namespace of a path of a review. */
function paths(path: string): readonly (string | undefined)[] {
  const m =
    /^\/apis\/(authentication\.k8s\.io|authorization\.k8s\.io)\/v1\/(?:namespaces\/([^/]+)\/)?([a-z]+reviews)$/.exec(
      path,
    );
  return m ? [m[0], m[1], m[3], m[2]] : [];
}

/** The user that a review names: a service account by its name, an administrator by its group. */
function subject(spec: ReviewSpec): User {
  if (!spec.user && !spec.groups?.length) throw badRequest("at least one of user or group must be specified");
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(spec.user ?? "") ?? [];
  return {
    name: spec.user ?? "",
    groups: spec.groups ?? [],
    ...(namespace && name && { account: { namespace, name, uid: "" } }),
  };
}

function decide(user: User, spec: ReviewSpec): unknown {
  const { resourceAttributes: r, nonResourceAttributes: n } = spec;
  if (!r === !n)
    throw badRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified");
  const admin = user.groups.includes("system:masters");
  const allowed =
    admin ||
    (r !== undefined &&
      user.account !== undefined &&
      permits(user, {
        verb: r.verb ?? "",
        kind: { group: r.group ?? "", plural: r.resource ?? "" },
        namespace: r.namespace || undefined,
        name: r.name || undefined,
        subresource: r.subresource || undefined,
      }));
  return { allowed };
}
