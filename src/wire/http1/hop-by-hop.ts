import { type HeaderList, removeHeaders } from "../http/index.ts";

/** Fields that belong to one connection (RFC 9110 section 7.6.1) or to framing, which the encoder writes. */
function ofConnection(name: string): boolean {
  switch (name.length) {
    case 2:
      return name === "te";
    case 7:
      return name === "trailer" || name === "upgrade";
    case 10:
      return name === "connection" || name === "keep-alive";
    case 14:
      return name === "content-length" || name === "http2-settings";
    case 16:
      return name === "proxy-connection";
    case 17:
      return name === "transfer-encoding";
    default:
      return false;
  }
}

/** Names that a peer must not make disappear by nominating them: routing and policies rest on them. */
const protectedNames = new Set([
  "host",
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "forwarded",
  "via",
  "date",
  "content-type",
  "content-encoding",
  "cache-control",
  "expect",
  "traceparent",
  "tracestate",
  "baggage",
  "b3",
  "l5d-ctx-trace",
]);
const isProtected = (name: string): boolean => protectedNames.has(name) || name.startsWith("x-");

/**
 * Removes what must not go past this hop: connection fields, framing fields (content-length too: the encoder
 * writes it again from the message's framing), and what Connection nominates. Nominations of fields that
 * identity, routing or tracing rest on are ignored, all `x-` ones included (HARDENING row 14). Call it before
 * the proxy adds fields of its own.
 */
export function stripHopByHop(headers: HeaderList): void {
  let nominated: string[] | undefined;
  let w = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (ofConnection(name)) {
      if (name === "connection") nominated = nominate(nominated, headers[i + 1]!);
      continue;
    }
    if (w !== i) {
      headers[w] = name;
      headers[w + 1] = headers[i + 1]!;
    }
    w += 2;
  }
  if (w < headers.length) headers.length = w;
  if (nominated !== undefined && nominated.length > 0) removeHeaders(headers, new Set(nominated));
}

function nominate(before: string[] | undefined, value: string): string[] | undefined {
  if (value === "keep-alive" || value === "Keep-Alive" || value === "close") return before;
  const names = value
    .toLowerCase()
    .split(",")
    .map((part) => part.trim())
    .filter((name) => name !== "" && name !== "close" && name !== "keep-alive" && !isProtected(name));
  return before === undefined ? names : before.concat(names);
}
