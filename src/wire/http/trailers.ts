const forbidden: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "content-length",
  "host",
  "authorization",
  "proxy-authorization",
  "te",
  "connection",
  "keep-alive",
  "upgrade",
  "trailer",
  "set-cookie",
  "cookie",
  "content-encoding",
  "content-type",
  "expect",
]);

/** Trailers that would speak for the message's framing, routing or identity (RFC 9110 section 6.5.1): to be dropped. */
export function isForbiddenTrailer(name: string): boolean {
  return forbidden.has(name) || name.startsWith("x-forwarded-");
}
