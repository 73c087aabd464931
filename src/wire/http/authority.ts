import { unreservedChar } from "./chars.ts";

/** Characters of a host: unreserved of RFC 3986. Sub-delimiters and escapes name no host of a mesh. */
const hostChar = unreservedChar;

/** Index just past the host of an authority: at ":" or the end; -1 where it is not a host. */
function hostEnd(text: string): number {
  if (text.charCodeAt(0) === 91) {
    const close = text.indexOf("]");
    if (close < 3) return -1;
    for (let i = 1; i < close; i++) {
      const c = text.charCodeAt(i);
      const hex = (c >= 48 && c <= 58) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102) || c === 46;
      if (!hex) return -1;
    }
    return close + 1;
  }
  let i = 0;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 58) break;
    if (c > 255 || hostChar[c] === 0) return -1;
  }
  return i === 0 ? -1 : i;
}

/**
 * Whether `text` is `host` or `host:port`: a name of unreserved characters, an IPv4 address or a bracketed
 * IPv6 one; no user information, no empty port.
 */
export function isAuthority(text: string): boolean {
  const end = hostEnd(text);
  if (end === -1) return false;
  if (end === text.length) return true;
  return text.charCodeAt(end) === 58 && portOf(text, end + 1) !== -1;
}

/** Decimal port in [from, end), at most 65535 and at most five digits; -1 otherwise. */
function portOf(text: string, from: number): number {
  const digits = text.length - from;
  if (digits < 1 || digits > 5) return -1;
  let port = 0;
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 48 || c > 57) return -1;
    port = port * 10 + c - 48;
  }
  return port <= 65535 ? port : -1;
}

export interface Authority {
  /** Lower case, without one trailing dot; IPv6 keeps its brackets. */
  readonly host: string;
  /** -1 where none is given. */
  readonly port: number;
}

/**
 * Splits and canonicalises an authority: what host rules match on (HARDENING row 25: `Secret.com`,
 * `secret.com:80` and `secret.com.` are one host). Undefined where it is not an authority.
 */
export function parseAuthority(text: string): Authority | undefined {
  const end = hostEnd(text);
  if (end === -1) return undefined;
  let port = -1;
  if (end !== text.length) {
    port = text.charCodeAt(end) === 58 ? portOf(text, end + 1) : -1;
    if (port === -1) return undefined;
  }
  const dot = text.charCodeAt(end - 1) === 46 && end > 1 ? 1 : 0;
  return { host: text.slice(0, end - dot).toLowerCase(), port };
}

/** The canonical host alone: lower case, no port, no trailing dot; the text in lower case if malformed. */
export function normalizeHost(text: string): string {
  return parseAuthority(text)?.host ?? text.toLowerCase();
}
