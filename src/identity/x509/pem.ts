/** PEM (RFC 7468): text around DER. */
import { DerError } from "./der.ts";

/** Most certificates of one bundle. */
export const maxPemBlocks = 1000;

/** DER of every block with that label, in order; none where there is none. */
export function decodePem(text: string, label: string): Buffer[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, "g");
  const found: Buffer[] = [];
  for (const match of text.matchAll(pattern)) {
    if (found.length >= maxPemBlocks) throw new DerError("too many PEM blocks");
    found.push(Buffer.from(match[1]!.replace(/\s+/g, ""), "base64"));
  }
  return found;
}

/** Ends with a newline, so that blocks can be joined as they are. */
export function encodePem(bytes: Uint8Array, label: string): string {
  const body = Buffer.from(bytes)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}
