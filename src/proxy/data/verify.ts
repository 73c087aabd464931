/** Peer validation compiled: SPIFFE rules by identity, then the configured matchers of the one URI SAN. */
import type { Clock } from "../../base/index.ts";
import { type SanMatcher, spiffeVerifier } from "../../identity/verify/index.ts";
import { DerError, decodePem, parseCertificate } from "../../identity/x509/index.ts";
import type { TlsVersion, VerifyPeer } from "../../wire/tls/index.ts";
import type { PeerValidation, StringMatch } from "../config/index.ts";
import { compileString } from "./match.ts";

function sanMatcher(match: StringMatch): SanMatcher {
  if (match.kind === "exact" && !match.ignoreCase) return { exact: match.value };
  return { test: compileString(match) };
}

/**
 * `usage`: the role of the peer whose certificate is judged.
 *
 * No trust domain is named: the bundle is of those that may come, and which identities of theirs is what `sans` says
 * (the control plane renders the mesh's trust domains as prefixes on listeners, and exact ids on clusters). Empty
 * `sans` are Envoy's "whoever chains": for a client that means authenticated, and whether it may is for policy to
 * say; to a server it is said by a warning when the configuration is taken, and Transport.trusts believes nothing
 * of it.
 */
export function compileVerifier(
  config: PeerValidation,
  usage: "client" | "server",
  clock: Clock,
): VerifyPeer {
  if (config.mode === "chain") return chainVerifier(config);
  return spiffeVerifier({
    trustDomains: "any",
    ...(config.sans.length > 0 ? { allowed: config.sans.map(sanMatcher) } : {}),
    usage,
    clock,
  });
}

/** File certificates without SPIFFE ids: the chain was checked; URI SANs only where matchers ask for them. */
function chainVerifier(config: PeerValidation): VerifyPeer {
  const matchers = config.sans.map(compileString);
  return (leaf) => {
    const uris = uriSans(leaf);
    if (uris === null) return { ok: false, reason: "certificate cannot be read" };
    if (matchers.length > 0 && !uris.some((uri) => matchers.some((m) => m(uri)))) {
      return { ok: false, reason: "no URI SAN is among the identities expected here" };
    }
    return { ok: true, principal: uris.length === 1 ? uris[0]! : "" };
  };
}

function uriSans(der: Uint8Array): readonly string[] | null {
  try {
    return parseCertificate(der).names.uris;
  } catch (error) {
    if (error instanceof DerError) return null;
    throw error;
  }
}

/** SPIFFE id in a PEM chain's leaf; "" where there is none. */
export function principalOf(certPem: string): string {
  try {
    const leaf = decodePem(certPem, "CERTIFICATE")[0];
    const uris = leaf ? uriSans(leaf) : null;
    return uris?.[0] ?? "";
  } catch (error) {
    if (error instanceof DerError) return "";
    throw error;
  }
}

/** 771 and 772 as wire/tls names them; 0: the given default. */
export function version(value: number, otherwise: 771 | 772): TlsVersion {
  return (value || otherwise) >= 772 ? "1.3" : "1.2";
}

/** Only protocols that this proxy speaks are offered. `http2`: it does, downstream. */
export function alpnOf(list: readonly string[], http2 = false): readonly string[] {
  return list.filter(
    (name) =>
      (http2 && name === "h2") || name === "http/1.1" || name === "istio-http/1.1" || name === "istio",
  );
}
