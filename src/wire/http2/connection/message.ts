/** What header lists must be to be messages (RFC 9113 section 8). A text instead of a head says what is wrong. */
import {
  type HeaderList,
  isAuthority,
  isForbiddenTrailer,
  isToken,
  parseAuthority,
  parseContentLength,
  targetChar,
} from "../../http/index.ts";
import type { Http2RequestHead, Http2ResponseHead } from "../types.ts";

const colon = 58;
const scheme = /^[a-z][a-z0-9+.-]*$/;

/** The head's fields, as far as requests and responses share them. `host`: where Host goes, null where it stays. */
interface Fields {
  headers: HeaderList;
  contentLength: number;
  host: string | null;
}

/**
 * Copies the fields behind the pseudo-header fields, with cookie crumbs joined (section 8.2.3). `withHost`: Host is
 * set aside.
 */
function readFields(list: Readonly<HeaderList>, from: number, withHost: boolean): Fields | string {
  const fields: Fields = { headers: [], contentLength: -1, host: null };
  const { headers } = fields;
  let cookie = -1;
  for (let i = from; i < list.length; i += 2) {
    const name = list[i]!;
    const value = list[i + 1]!;
    switch (name.length) {
      case 4:
        if (!withHost || name !== "host") break;
        if (fields.host !== null) return "more than one Host";
        fields.host = value;
        continue;
      case 6:
        if (name !== "cookie") break;
        if (cookie >= 0) {
          headers[cookie] += `; ${value}`;
          continue;
        }
        cookie = headers.length + 1;
        break;
      case 14:
        if (name === "content_length") return "field disguised as Content-Length";
        if (name !== "content-length") break;
        if (fields.contentLength !== -1) return "more than one Content-Length";
        fields.contentLength = parseContentLength(value);
        if (fields.contentLength === -1) return "Content-Length is no number";
        break;
      case 17:
        if (name === "transfer_encoding") return "field disguised as Transfer-Encoding";
        break;
      default:
    }
    if (name.charCodeAt(0) === colon) return "pseudo-header field behind other fields";
    headers.push(name, value);
  }
  return fields;
}

/** What the pseudo-header fields of a request say; undefined: absent. */
interface Pseudo {
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  protocol: string | undefined;
}

/** Index of the first field behind the pseudo-header fields, which go into `pseudo`; -1 when one is wrong here. */
function readPseudo(list: Readonly<HeaderList>, pseudo: Pseudo): number {
  let i = 0;
  for (; i < list.length; i += 2) {
    const name = list[i]!;
    if (name.charCodeAt(0) !== colon) break;
    const key = pseudoKeys.get(name);
    if (key === undefined || pseudo[key] !== undefined) return -1;
    pseudo[key] = list[i + 1]!;
  }
  return i;
}

const pseudoKeys: ReadonlyMap<string, keyof Pseudo> = new Map([
  [":method", "method"],
  [":scheme", "scheme"],
  [":authority", "authority"],
  [":path", "path"],
  [":protocol", "protocol"],
]);

/** `extendedConnect`: requests may have :protocol (RFC 8441). */
export function readRequest(
  list: Readonly<HeaderList>,
  neverIndexed: readonly string[],
  extendedConnect: boolean,
): Http2RequestHead | string {
  const pseudo: Pseudo = {
    method: undefined,
    scheme: undefined,
    authority: undefined,
    path: undefined,
    protocol: undefined,
  };
  const at = readPseudo(list, pseudo);
  if (at < 0) return "pseudo-header field repeated, or none of a request";
  const fields = readFields(list, at, true);
  if (typeof fields === "string") return fields;
  const { method } = pseudo;
  if (method === undefined || !isToken(method)) return ":method is missing or no token";
  const { protocol = null } = pseudo;
  if (protocol !== null) {
    if (!extendedConnect) return ":protocol without SETTINGS_ENABLE_CONNECT_PROTOCOL";
    if (method !== "CONNECT" || !isToken(protocol)) return ":protocol goes with CONNECT and is a token";
  }
  const target =
    method === "CONNECT" && protocol === null ? checkTunnel(pseudo) : checkTarget(pseudo, method);
  if (target !== "") return target;
  const authority = agreedAuthority(pseudo.authority, fields.host);
  if (authority === null) return ":authority or Host is missing, no authority, or one is not the other";
  return {
    method,
    scheme: pseudo.scheme ?? "",
    authority,
    path: pseudo.path ?? "",
    protocol,
    headers: fields.headers,
    contentLength: fields.contentLength,
    neverIndexed,
  };
}

/** CONNECT (section 8.5). */
function checkTunnel(pseudo: Pseudo): string {
  if (pseudo.scheme !== undefined || pseudo.path !== undefined) return "CONNECT with :scheme or :path";
  return pseudo.authority === undefined ? "CONNECT without :authority" : "";
}

function checkTarget(pseudo: Pseudo, method: string): string {
  const { path } = pseudo;
  if (pseudo.scheme !== "http" && pseudo.scheme !== "https") {
    if (pseudo.scheme === undefined || !scheme.test(pseudo.scheme)) return ":scheme is missing or no scheme";
  }
  if (path === undefined || path.length === 0) return ":path is missing or empty";
  if (path.charCodeAt(0) !== 47) return path === "*" && method === "OPTIONS" ? "" : ":path begins not with /";
  for (let i = 1; i < path.length; i++) {
    if (targetChar[path.charCodeAt(i)] === 0) return ":path has a character that no path has";
  }
  return "";
}

/**
 * The one authority of :authority and Host: which of them another server goes by is not known, so a difference is
 * refused (sections 8.3.1 and 10.3; HARDENING row 21). "a" and "A" are no difference.
 */
function agreedAuthority(authority: string | undefined, host: string | null): string | null {
  const one = authority ?? host;
  if (one === null || !isAuthority(one)) return null;
  if (authority === undefined || host === null || host === authority) return one;
  const named = parseAuthority(authority);
  const other = parseAuthority(host);
  return other !== undefined && named!.host === other.host && named!.port === other.port ? one : null;
}

export function readResponse(
  list: Readonly<HeaderList>,
  neverIndexed: readonly string[],
): Http2ResponseHead | string {
  if (list[0] !== ":status") return ":status is not the first field";
  const text = list[1]!;
  const status = text.length === 3 ? parseContentLength(text) : -1;
  if (status < 100 || status > 999) return ":status is no status";
  const fields = readFields(list, 2, false);
  if (typeof fields === "string") return fields;
  return { status, headers: fields.headers, contentLength: fields.contentLength, neverIndexed };
}

/** Trailers without those that must not be there, or what is wrong with them. */
export function readTrailers(list: Readonly<HeaderList>): HeaderList | string {
  const trailers: HeaderList = [];
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!;
    if (name.charCodeAt(0) === colon) return "pseudo-header field in trailers";
    if (!isForbiddenTrailer(name)) trailers.push(name, list[i + 1]!);
  }
  return trailers;
}

/** The pseudo-header fields and fields of a request as one list. `into` is emptied first. */
export function listRequest(head: Readonly<Http2RequestHead>, into: HeaderList): void {
  into.length = 0;
  into.push(":method", head.method);
  if (head.scheme !== "") into.push(":scheme", head.scheme);
  if (head.authority !== "") into.push(":authority", head.authority);
  if (head.path !== "") into.push(":path", head.path);
  if (head.protocol !== null) into.push(":protocol", head.protocol);
  addAll(head.headers, into);
}

const statusTexts: readonly string[] = Array.from({ length: 1000 }, (_, status) => String(status));

export function listResponse(status: number, headers: Readonly<HeaderList>, into: HeaderList): void {
  into.length = 0;
  into.push(":status", statusTexts[status]!);
  addAll(headers, into);
}

function addAll(headers: Readonly<HeaderList>, into: HeaderList): void {
  for (let i = 0; i < headers.length; i++) into.push(headers[i]!);
}
