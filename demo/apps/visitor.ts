/** A caller: does the requests that it is asked to do, and tells what came back. */
import type { AppOptions, Handler } from "./app.ts";

export interface Visit {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 1. */
  readonly count?: number;
  /** Requests in flight; default 1: one after the other. */
  readonly parallel?: number;
}

export interface Visited {
  /** 0: no answer. */
  readonly status: number;
  readonly ms: number;
  readonly body: string;
  readonly flags: string;
}

/** `POST /visit` with a Visit gives the list of Visited. */
export function visitor(options: AppOptions): Handler {
  const call = options.call ?? fetch;
  const once = async (visit: Visit): Promise<Visited> => {
    const start = performance.now();
    const done = (status: number, body: string, flags = ""): Visited => ({
      status,
      body,
      flags,
      ms: Math.round((performance.now() - start) * 10) / 10,
    });
    try {
      const response = await call(visit.url, {
        method: visit.method ?? "GET",
        ...(visit.headers ? { headers: visit.headers } : {}),
      });
      return done(response.status, await response.text(), response.headers.get("x-weft-reason") ?? "");
    } catch (error) {
      return done(0, error instanceof Error ? error.message : String(error));
    }
  };
  return async (request, url) => {
    if (url.pathname !== "/visit") return new Response("not found\n", { status: 404 });
    const visit = (await request.json()) as Visit;
    const results: Visited[] = [];
    let left = visit.count ?? 1;
    const line = async (): Promise<void> => {
      while (left-- > 0) results.push(await once(visit));
    };
    await Promise.all(Array.from({ length: visit.parallel ?? 1 }, line));
    return Response.json(results);
  };
}
