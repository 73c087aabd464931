/**
 * Who may ask: a page in somebody's browser must not reach a proxy's administration by giving its own name the
 * address 127.0.0.1 (DNS rebinding), nor change anything by a plain link or form.
 */

/** True for an IP address or localhost, with or without port: names of the web are none of these. */
export function trustedHost(host: string | null): boolean {
  if (host === null) return false;
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
}

/** The request's URL; the answer where its target and Host make none. */
export function urlOf(request: Request): URL | Response {
  return (
    URL.parse(request.url) ?? new Response("the request's target and Host make no URL\n", { status: 400 })
  );
}

/** Undefined if the request may go on; else the answer. */
export function refuse(request: Request, mutating: boolean): Response | undefined {
  if (!trustedHost(request.headers.get("host")))
    return new Response("the Host header names no address of this proxy\n", { status: 403 });
  if (!mutating) {
    if (request.method === "GET" || request.method === "HEAD") return undefined;
    return new Response("only GET is allowed here\n", { status: 405, headers: { allow: "GET, HEAD" } });
  }
  if (request.method !== "POST")
    return new Response("only POST is allowed here\n", { status: 405, headers: { allow: "POST" } });
  const origin = request.headers.get("origin");
  if (origin !== null && !(URL.canParse(origin) && trustedHost(new URL(origin).host)))
    return new Response("a page of another origin may change nothing\n", { status: 403 });
  return undefined;
}
