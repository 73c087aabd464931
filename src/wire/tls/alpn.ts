/** ALPN names in wire form: each preceded by its length in one byte (RFC 7301 section 3.1). */
import { TlsConfigError } from "./config-error.ts";

/** Encodes for BoringSSL; Bun throws on an array and silently negotiates nothing on a string. */
export function encodeAlpn(names: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (const name of names) {
    const bytes = Buffer.from(name, "latin1");
    if (bytes.length === 0 || bytes.length > 255)
      throw new TlsConfigError(`ALPN name ${JSON.stringify(name)} must have 1 to 255 bytes`);
    parts.push(Buffer.from([bytes.length]), bytes);
  }
  return Buffer.concat(parts);
}
