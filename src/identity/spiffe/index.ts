/** SPIFFE ids of the mesh: spiffe://<trust domain>/ns/<namespace>/sa/<service account> (SPIFFE-ID standard). */

/** Whole id, bytes. SPIFFE-ID section 2.3: 2048; trust domain 255. */
export const maxSpiffeIdLength = 2048;
export const maxTrustDomainLength = 255;

export interface SpiffeId {
  readonly trustDomain: string;
  /** From /ns/<x>/sa/<y>; "" where the path has another shape. */
  readonly namespace: string;
  readonly serviceAccount: string;
  /** With its leading slash; "" for a trust domain alone. */
  readonly path: string;
  readonly uri: string;
}

export type SpiffeResult =
  | { readonly ok: true; readonly id: SpiffeId }
  | { readonly ok: false; readonly reason: string };

const trustDomainPattern = /^[a-z0-9._-]+$/;
const segmentPattern = /^[A-Za-z0-9._-]+$/;
const scheme = "spiffe://";

const bad = (reason: string): SpiffeResult => ({ ok: false, reason });

/**
 * Strict, as go-spiffe: lower-case scheme and trust domain, segments of [A-Za-z0-9._-], none empty or made of dots
 * alone, no trailing slash, no percent sign, query, fragment, port or user. Nothing is normalised.
 */
export function parseSpiffeId(uri: string): SpiffeResult {
  if (uri.length > maxSpiffeIdLength) return bad("longer than 2048 bytes");
  if (!uri.startsWith(scheme)) return bad("scheme is not spiffe://");
  const slash = uri.indexOf("/", scheme.length);
  const trustDomain = uri.slice(scheme.length, slash < 0 ? undefined : slash);
  if (trustDomain === "") return bad("no trust domain");
  if (trustDomain.length > maxTrustDomainLength) return bad("trust domain longer than 255 bytes");
  if (!trustDomainPattern.test(trustDomain)) return bad("trust domain has a character outside a-z 0-9 . _ -");
  const path = slash < 0 ? "" : uri.slice(slash);
  const segments = path === "" ? [] : path.slice(1).split("/");
  for (const segment of segments) {
    if (segment === "") return bad("path has an empty segment or a trailing slash");
    if (segment === "." || segment === "..") return bad("path has a dot segment");
    if (!segmentPattern.test(segment)) return bad("path has a character outside A-Z a-z 0-9 . _ -");
  }
  const mesh = segments.length === 4 && segments[0] === "ns" && segments[2] === "sa";
  const [namespace, serviceAccount] = mesh ? [segments[1]!, segments[3]!] : ["", ""];
  return { ok: true, id: { trustDomain, namespace, serviceAccount, path, uri } };
}

/** The id of a service account. Throws RangeError where a part would break the grammar. */
export function spiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  const uri = `${scheme}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  const parsed = parseSpiffeId(uri);
  if (!parsed.ok) throw new RangeError(`${JSON.stringify(uri)} is no SPIFFE id: ${parsed.reason}`);
  if (parsed.id.namespace !== namespace || parsed.id.serviceAccount !== serviceAccount)
    throw new RangeError(`${JSON.stringify(uri)}: namespace and service account must be one segment each`);
  return uri;
}
