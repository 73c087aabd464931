/** Who is the peer? The checks behind wire/tls's verifyPeer; the chain itself is checked by BoringSSL before. */
import { isIP } from "node:net";
import type { Clock } from "../../base/index.ts";
import type { VerifyPeer, VerifyResult } from "../../wire/tls/index.ts";
import { parseSpiffeId } from "../spiffe/index.ts";
import { type Certificate, canonicalIp, DerError, oids, parseCertificate, usageBit } from "../x509/index.ts";

/** What a SAN may be; as Envoy's StringMatcher. `test` for a compiled regular expression. */
export type SanMatcher =
  | { readonly exact: string }
  | { readonly prefix: string }
  | { readonly suffix: string }
  | { readonly contains: string }
  | { readonly test: (san: string) => boolean };

/** The role that the peer plays on this connection. */
export type PeerRole = "client" | "server";

export interface SpiffeRules {
  /** Trust domains that may come; "any": whatever the trust bundle signed. */
  readonly trustDomains: readonly string[] | "any";
  /** The one URI SAN must meet one of these; none given: any identity of the trust domains. An empty list: nobody. */
  readonly allowed?: readonly SanMatcher[];
  readonly usage: PeerRole;
}

/** Smallest RSA key taken. */
export const minRsaBits = 2048;

const no = (reason: string): VerifyResult => ({ ok: false, reason });

/** Key strength and signature; undefined when strong enough. */
function weakness(cert: Certificate): string | undefined {
  if (cert.signatureHash === undefined) return "certificate is signed with a weak or unknown algorithm";
  return weakKey(cert.publicKey);
}

/** What is wrong with a key's type or size; undefined when it is strong enough. */
export function weakKey(key: { readonly type: string; readonly bits: number }): string | undefined {
  if (key.type === "rsa") {
    return key.bits < minRsaBits
      ? `RSA key of ${key.bits} bits, at least ${minRsaBits} are wanted`
      : undefined;
  }
  if (key.type === "ec" && key.bits >= 256) return undefined;
  if (key.type === "ed25519") return undefined;
  return "key type or curve is not accepted";
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** Rules of any leaf: times (no leeway on our side), no CA, digitalSignature, EKU of the role, strength. */
function leafProblem(cert: Certificate, role: PeerRole, now: number): string | undefined {
  if (now < cert.notBefore) return `certificate is not valid before ${iso(cert.notBefore)}`;
  if (now > cert.notAfter) return `certificate expired at ${iso(cert.notAfter)}`;
  if (cert.isCa) return "certificate is a CA's";
  const usage = cert.keyUsage;
  if (usage === undefined || (usage & usageBit.digitalSignature) === 0)
    return "certificate may not be used for digital signatures";
  if (usage & (usageBit.keyCertSign | usageBit.crlSign)) return "certificate may sign certificates";
  const eku = cert.extendedKeyUsage;
  const wanted = role === "client" ? oids.clientAuth : oids.serverAuth;
  if (eku && !eku.includes(wanted)) return `certificate is not for TLS ${role}s`;
  if (cert.unknownCritical.length > 0) return `unknown critical extension ${cert.unknownCritical[0]}`;
  return weakness(cert);
}

function matches(matcher: SanMatcher, san: string): boolean {
  if ("exact" in matcher) return san === matcher.exact;
  if ("prefix" in matcher) return matcher.prefix !== "" && san.startsWith(matcher.prefix);
  if ("suffix" in matcher) return matcher.suffix !== "" && san.endsWith(matcher.suffix);
  if ("contains" in matcher) return matcher.contains !== "" && san.includes(matcher.contains);
  return matcher.test(san) === true;
}

function compileAllowed(allowed: readonly SanMatcher[] | undefined): (san: string) => boolean {
  if (!allowed) return () => true;
  const exact = new Set(allowed.flatMap((m) => ("exact" in m ? [m.exact] : [])));
  const others = allowed.filter((m) => !("exact" in m));
  return (san) => exact.has(san) || others.some((m) => matches(m, san));
}

function parsed(der: Uint8Array, check: (cert: Certificate) => VerifyResult): VerifyResult {
  let cert: Certificate;
  try {
    cert = parseCertificate(der);
  } catch (error) {
    if (error instanceof DerError) return no(`certificate cannot be read: ${error.message}`);
    throw error;
  }
  return check(cert);
}

/**
 * The X509-SVID rules on a leaf: exactly one URI SAN, a strict SPIFFE id with a path, of an allowed trust domain and
 * met by a matcher; not expired, no CA, for this role. DNS and other SANs are ignored.
 */
function spiffeCheck(rules: SpiffeRules, now: () => number): (der: Uint8Array) => VerifyResult {
  const domains = rules.trustDomains === "any" ? undefined : new Set(rules.trustDomains);
  const isAllowed = compileAllowed(rules.allowed);
  const check = (cert: Certificate): VerifyResult => {
    const problem = leafProblem(cert, rules.usage, now());
    if (problem) return no(problem);
    const { uris } = cert.names;
    if (uris.length !== 1) return no(`certificate has ${uris.length} URI SANs, one is wanted`);
    const uri = uris[0]!;
    const id = parseSpiffeId(uri);
    if (!id.ok) return no(`URI SAN ${JSON.stringify(uri)} is no SPIFFE id: ${id.reason}`);
    if (id.id.path === "") return no(`${uri} names a trust domain, no workload`);
    if (domains && !domains.has(id.id.trustDomain)) return no(`trust domain of ${uri} is not trusted`);
    if (!isAllowed(uri)) return no(`${uri} is not among the identities expected here`);
    return { ok: true, principal: uri };
  };
  return (der) => parsed(der, check);
}

/** One check at a given time; see spiffeVerifier. */
export function verifySpiffeLeaf(
  der: Uint8Array,
  rules: SpiffeRules & { readonly now: number },
): VerifyResult {
  return spiffeCheck(rules, () => rules.now)(der);
}

/** The verifyPeer of mesh connections: rules compiled once, asked at each handshake. */
export function spiffeVerifier(rules: SpiffeRules & { readonly clock: Clock }): VerifyPeer {
  const { clock } = rules;
  return spiffeCheck(rules, () => clock.wall());
}

/** One label may be a star, the left-most, with two more behind it (RFC 9525 section 6.3). */
function dnsMatches(pattern: string, host: string): boolean {
  const p = pattern.toLowerCase();
  if (p === host) return true;
  if (!p.startsWith("*.") || p.split(".").length < 3) return false;
  const dot = host.indexOf(".");
  return dot > 0 && host.slice(dot) === p.slice(1);
}

/**
 * verifyPeer for servers with a DNS name or address (TLS origination, the API server): one of the names must be met
 * by a DNS or IP SAN. Principal: the URI SAN if it is the only one, else "".
 */
export function serverNameVerifier(options: { names: readonly string[]; clock: Clock }): VerifyPeer {
  const { clock } = options;
  const hosts = options.names.map((name) => name.toLowerCase().replace(/\.$/, ""));
  const ips = hosts.flatMap((host) => {
    try {
      return [canonicalIp(host)];
    } catch {
      return [];
    }
  });
  const dnsHosts = hosts.filter((host) => isIP(host) === 0);
  const check = (cert: Certificate): VerifyResult => {
    const problem = leafProblem(cert, "server", clock.wall());
    if (problem) return no(problem);
    const met =
      cert.names.ips.some((ip) => ips.includes(ip)) ||
      cert.names.dns.some((name) => dnsHosts.some((host) => dnsMatches(name, host)));
    if (!met) return no(`certificate is not for ${hosts.join(", ")}`);
    const uri = cert.names.uris.length === 1 ? cert.names.uris[0]! : "";
    return { ok: true, principal: parseSpiffeId(uri).ok ? uri : "" };
  };
  return (der) => parsed(der, check);
}
