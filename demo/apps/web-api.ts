/** A slow and flaky API. What it does depends on `?case=`, so that each request's tries can be counted. */
import type { Handler } from "./app.ts";

/** How long a slow try takes. */
const slowMs = 2_000;

/**
 * `flaky...`: the first try takes 2 s, the second fails with 503, later ones work. `slow...`: every try takes 2 s.
 * `broken...`: every try fails. Anything else works. `GET /tries?case=` tells how many tries came.
 */
export function webApi(): Handler {
  const tries = new Map<string, number>();
  return async (request, url) => {
    const name = url.searchParams.get("case") ?? "";
    if (url.pathname === "/tries") return Response.json({ tries: tries.get(name) ?? 0 });
    if (url.pathname !== "/users") return Response.json({ error: "not found" }, { status: 404 });
    const nth = (tries.get(name) ?? 0) + 1;
    tries.set(name, nth);
    await request.arrayBuffer();
    if (name.startsWith("slow") || (name.startsWith("flaky") && nth === 1)) await Bun.sleep(slowMs);
    if (name.startsWith("broken") || (name.startsWith("flaky") && nth === 2))
      return Response.json({ error: "try again" }, { status: 503 });
    return Response.json({ users: ["ada", "grace"], try: nth });
  };
}
