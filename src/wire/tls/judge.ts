/** Decides whether a finished handshake may be heard. Every path that is not an explicit yes is a refusal. */
import type { TlsInfo, TlsRefusal, TlsSocket, VerifyPeer } from "./types.ts";

/** What is asked of Bun's socket; beyond its published types `isSessionReused`. */
type Inspected = TlsSocket & { isSessionReused?(): boolean };

export type Judgement = { readonly info: TlsInfo } | { readonly refusal: TlsRefusal };

/** Verdict of BoringSSL as Bun reports it, in `handshake`. */
export type HandshakeError = (Error & { code?: string }) | null | undefined;

const refuse = (code: TlsRefusal["code"], detail: string): Judgement => ({ refusal: { code, detail } });

function errorCode(error: unknown): string {
  return (error as { code?: string } | null)?.code ?? "";
}

function failed(error: NonNullable<HandshakeError>): Judgement {
  const text = error.message ?? "";
  if (text.includes("PEER_DID_NOT_RETURN_A_CERTIFICATE"))
    return refuse("tls.no_certificate", "the peer showed no certificate");
  const code = error.code ?? "";
  if (code === "EPROTO") return refuse("tls.handshake", text.replace(/^.*OPENSSL_internal:/s, "") || code);
  if (code === "ECONNRESET") return refuse("tls.closed", "the peer closed the connection in the handshake");
  return refuse("tls.untrusted", code || text || "the certificate was not accepted");
}

/** DER of the peer's certificate; undefined without one. */
function leafOf(socket: TlsSocket): Uint8Array | undefined {
  const raw = socket.getPeerX509Certificate()?.raw as Uint8Array | undefined;
  return raw && raw.length > 0 ? raw : undefined;
}

interface Found {
  readonly principal: string;
  readonly leaf: Uint8Array | undefined;
  readonly mutual: boolean;
}

const nobody: Found = { principal: "", leaf: undefined, mutual: false };

function describe(socket: Inspected, found: Found): Judgement {
  const alpn = socket.alpnProtocol;
  return {
    info: {
      ...found,
      sni: (socket.getServername() ?? "").toLowerCase(),
      alpn: typeof alpn === "string" ? alpn : "",
      resumed: socket.isSessionReused?.() === true,
    },
  };
}

function identify(socket: TlsSocket, leaf: Uint8Array, mutual: boolean, verifyPeer: VerifyPeer): Judgement {
  let result: ReturnType<VerifyPeer>;
  try {
    result = verifyPeer(leaf, [leaf]);
  } catch (error) {
    return refuse("tls.identity", `the check of the certificate failed: ${String(error)}`);
  }
  if (result.ok !== true) return refuse("tls.identity", result.reason);
  return describe(socket, { principal: result.principal, leaf, mutual });
}

export interface ServerRules {
  readonly requireClientCertificate: boolean;
  /** False: no certificate was asked for. */
  readonly asks: boolean;
  readonly verifyPeer: VerifyPeer;
}

/**
 * A server's verdict. TRAP: `ok` alone is true for a foreign certificate; only no error at all together with
 * `authorized` means that the chain holds.
 */
export function judgeClient(
  socket: TlsSocket,
  ok: boolean,
  error: HandshakeError,
  rules: ServerRules,
): Judgement {
  if (error && (errorCode(error) === "EPROTO" || errorCode(error) === "ECONNRESET")) return failed(error);
  if (!rules.asks) return ok ? describe(socket, nobody) : failed(error ?? new Error("handshake failed"));
  const leaf = leafOf(socket);
  if (!leaf) {
    if (rules.requireClientCertificate) return refuse("tls.no_certificate", "the peer showed no certificate");
    return describe(socket, nobody);
  }
  if (error) return failed(error);
  if (!ok || !socket.authorized) return refuse("tls.untrusted", "the certificate was not accepted");
  return identify(socket, leaf, true, rules.verifyPeer);
}

export interface ClientRules {
  /** An own certificate is shown where the server asks for one. */
  readonly offers: boolean;
  readonly verifyPeer: VerifyPeer;
}

/**
 * A client's verdict: the chain must hold, the name may differ (SPIFFE certificates have no DNS name), because
 * verifyPeer decides who the server is.
 */
export function judgeServer(
  socket: TlsSocket,
  ok: boolean,
  error: HandshakeError,
  rules: ClientRules,
): Judgement {
  const name = "ERR_TLS_CERT_ALTNAME_INVALID";
  if (error && error.code !== name) return failed(error);
  const second = socket.getAuthorizationError();
  if (second && errorCode(second) !== name) return failed(second);
  if (!error && !(ok && socket.authorized))
    return refuse("tls.untrusted", "the certificate was not accepted");
  const leaf = leafOf(socket);
  if (!leaf) return refuse("tls.no_certificate", "the server showed no certificate");
  return identify(socket, leaf, rules.offers, rules.verifyPeer);
}
