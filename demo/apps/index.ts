import { type AppOptions, type Handler, withControl } from "./app.ts";
import { details, productpage, ratings, reviews } from "./bookinfo.ts";
import { visitor } from "./visitor.ts";
import { webApi } from "./web-api.ts";

export type { AppOptions, Call } from "./app.ts";
export type { Visit, Visited } from "./visitor.ts";

function handlerOf(name: string, version: string, options: AppOptions): Handler | undefined {
  switch (name) {
    case "productpage":
      return productpage(options);
    case "details":
      return details();
    case "ratings":
      return ratings();
    case "reviews":
      return reviews(version, options);
    case "web-api":
      return webApi();
    case "visitor":
      return visitor(options);
    default:
      return undefined;
  }
}

/** One application as a function of requests; throws for a name that there is not. */
export function createApp(
  name: string,
  version: string,
  options: AppOptions = {},
): (request: Request) => Promise<Response> {
  const handler = handlerOf(name, version, options);
  if (handler === undefined) throw new Error(`no demo application ${name}`);
  return withControl(handler);
}

/** Serves one application on 127.0.0.1:PORT until SIGTERM; requests in flight finish. */
export async function serveApp(name: string, version: string): Promise<void> {
  const port = Number(process.env["PORT"] ?? 9080);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    idleTimeout: 0,
    fetch: createApp(name, version, { instance: String(port) }),
  });
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await server.stop();
  process.exit(0);
}
