/** Options to the plain object that Bun takes. Bun ignores what it does not know, so everything is checked here. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { encodeAlpn } from "./alpn.ts";
import { TlsConfigError } from "./config-error.ts";
import type { TlsClientOptions, TlsIdentity, TlsServerOptions, TlsVersion } from "./types.ts";

/** Bun 1.4.5 takes numbers only: strings throw. */
const versionNumber: Readonly<Record<TlsVersion, number>> = { "1.2": 0x0303, "1.3": 0x0304 };

/** SSL_OP_NO_TICKET. */
const noTicket = 0x4000;

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What upgradeTLS and Bun.connect take beyond their published types. */
export interface BunTls {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly requestCert?: boolean;
  readonly rejectUnauthorized: boolean;
  readonly isServer?: boolean;
  readonly serverName?: string;
  readonly ALPNProtocols?: Buffer;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly secureOptions?: number;
}

function certificates(pem: string, what: string): X509Certificate[] {
  const found = pem.match(certificatePattern);
  if (!found) throw new TlsConfigError(`${what}: no certificate in PEM form`);
  return found.map((text, i) => {
    try {
      return new X509Certificate(text);
    } catch {
      throw new TlsConfigError(`${what}: certificate ${i + 1} cannot be read`);
    }
  });
}

function checkIdentity(identity: TlsIdentity): void {
  const leaf = certificates(identity.cert, "own certificate")[0]!;
  let matches: boolean;
  try {
    matches = leaf.checkPrivateKey(createPrivateKey(identity.key));
  } catch {
    throw new TlsConfigError("own key: cannot be read");
  }
  if (!matches) throw new TlsConfigError("own key does not belong to the certificate");
}

function versions(options: { minVersion?: TlsVersion; maxVersion?: TlsVersion }): {
  minVersion: number;
  maxVersion: number;
} {
  const minVersion = versionNumber[options.minVersion ?? "1.3"];
  const maxVersion = versionNumber[options.maxVersion ?? "1.3"];
  if (minVersion > maxVersion) throw new TlsConfigError("minimum TLS version is above the maximum");
  return { minVersion, maxVersion };
}

/**
 * Resumption is off where client certificates matter: a resumed session keeps the identity of the first handshake
 * past expiry, past removal of the root, and from a socket that shows no certificate (tried). TLS 1.2 session ids
 * are not issued either then: BoringSSL wants a session id context for that, and Bun sets none.
 */
export function compileServer(options: TlsServerOptions): BunTls {
  checkIdentity(options);
  const asks = options.requireClientCertificate || options.ca !== "";
  if (asks) certificates(options.ca, "trust bundle");
  return {
    cert: options.cert,
    key: options.key,
    ...(asks ? { ca: options.ca, secureOptions: noTicket } : {}),
    requestCert: asks,
    rejectUnauthorized: options.requireClientCertificate,
    isServer: true,
    ...(options.alpn.length > 0 ? { ALPNProtocols: encodeAlpn(options.alpn) } : {}),
    ...versions(options),
  };
}

/**
 * An empty trust bundle is refused: Bun would silently trust the system's. `rejectUnauthorized` is false because
 * SPIFFE certificates have no DNS name; the client judges authorizationError itself.
 */
export function compileClient(options: TlsClientOptions): BunTls {
  certificates(options.ca, "trust bundle");
  if (options.identity) checkIdentity(options.identity);
  return {
    ...(options.identity ? { cert: options.identity.cert, key: options.identity.key } : {}),
    ca: options.ca,
    rejectUnauthorized: false,
    ...(options.sni ? { serverName: options.sni } : {}),
    ...(options.alpn.length > 0 ? { ALPNProtocols: encodeAlpn(options.alpn) } : {}),
    ...versions(options),
  };
}
