/** What the demo's applications share. They are plain HTTP servers: none of them knows of a mesh. */

/** Calls another service by its name, as any application does. */
export type Call = (url: string, init?: RequestInit) => Promise<Response>;

export interface AppOptions {
  /** How the application calls others; default `fetch`, which honours http_proxy. */
  readonly call?: Call;
  /** Tells instances of one version apart in answers. */
  readonly instance?: string;
}

export type Handler = (request: Request, url: URL) => Response | Promise<Response>;

/** Headers that a well-behaved application passes on, so that routing by user works behind it. */
const passedOn = ["end-user", "x-request-id", "traceparent", "tracestate"];

export function passOn(request: Request): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of passedOn) {
    const value = request.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  return headers;
}

/**
 * Adds what an operator's hand can do to an application on its own port, to make trouble on purpose:
 * `POST /control {fail?: status, hold?: boolean}` and `GET /control` (requests seen, those of them with `?mark`, parked).
 * Only requests with `?hold` are parked.
 */
export function withControl(handler: Handler): (request: Request) => Promise<Response> {
  let fail = 0;
  let seen = 0;
  let marked = 0;
  let hold = false;
  const parked: (() => void)[] = [];
  return async (request) => {
    const url = new URL(request.url);
    if (url.pathname === "/control") {
      if (request.method === "POST") {
        const wish = (await request.json()) as { fail?: number; hold?: boolean };
        fail = wish.fail ?? 0;
        hold = wish.hold ?? false;
        if (!hold) for (const release of parked.splice(0)) release();
      }
      return Response.json({ seen, marked, parked: parked.length });
    }
    if (url.pathname === "/healthz") return new Response("ok\n");
    seen++;
    if (url.searchParams.has("mark")) marked++;
    if (hold && url.searchParams.has("hold"))
      await new Promise<void>((resolve) => {
        parked.push(resolve);
      });
    if (fail !== 0) return Response.json({ error: "made to fail" }, { status: fail });
    return handler(request, url);
  };
}
