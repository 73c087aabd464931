/** Envoy's administration: asked over its Unix socket, and shown on the workload's address behind the usual guard. */
import type { Logger } from "../../base/index.ts";
import { type Admin, refuse } from "../../proxy/admin/index.ts";
import { limits } from "./limits.ts";

export interface EnvoyAdmin {
  /** GET unless said otherwise. Rejects where nobody answers. */
  ask(path: string, method?: "GET" | "POST"): Promise<{ readonly status: number; readonly text: string }>;
}

export function envoyAdmin(socket: string): EnvoyAdmin {
  return {
    async ask(path, method = "GET") {
      const signal = AbortSignal.timeout(limits.adminMs);
      const answer = await fetch(`http://envoy${path}`, { method, unix: socket, signal });
      const text = await answer.text();
      if (text.length > limits.maxPageBytes) throw new Error(`${path} is too long`);
      return { status: answer.status, text };
    },
  };
}

/** Sum of the counters or gauges whose names match; Envoy's own regular expressions. */
export async function sumOf(admin: EnvoyAdmin, filter: string): Promise<number> {
  const { text } = await admin.ask(`/stats?filter=${encodeURIComponent(filter)}`);
  let sum = 0;
  for (const line of text.split("\n")) sum += Number(line.slice(line.lastIndexOf(":") + 1)) || 0;
  return sum;
}

/** Pages that only show something. */
const shown = new Set([
  "/",
  "/certs",
  "/clusters",
  "/config_dump",
  "/contention",
  "/help",
  "/hot_restart_version",
  "/init_dump",
  "/listeners",
  "/memory",
  "/ready",
  "/runtime",
  "/server_info",
  "/stats",
  "/stats/prometheus",
  "/stats/recentlookups",
]);
/** Pages that change something, as Weft's proxy has them. Not there: /quitquitquit, /healthcheck, /runtime_modify. */
const changing = new Set(["/drain_listeners", "/logging", "/reopen_logs", "/reset_counters"]);

export interface PagesOptions {
  readonly admin: EnvoyAdmin;
  readonly address: string;
  readonly port: number;
  readonly log: Logger;
}

/** Serves until stopped. Throws where the address cannot be bound. */
export function startPages({ admin, address, port, log }: PagesOptions): Admin {
  const server = Bun.serve({
    hostname: address,
    port,
    development: false,
    maxRequestBodySize: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const refused = refuse(request, changing.has(pathname));
      if (refused) return refused;
      if (!shown.has(pathname) && !changing.has(pathname))
        return new Response("no such page\n", { status: 404 });
      const { status, text } = await admin.ask(
        `${pathname}${search}`,
        changing.has(pathname) ? "POST" : "GET",
      );
      const json = /^\s*[{[]/.test(text);
      const type = json ? "application/json" : "text/plain; charset=UTF-8";
      return new Response(text, { status, headers: { "content-type": type } });
    },
    error(error) {
      log.warn("Envoy's administration does not answer", { error: String(error) });
      return new Response("Envoy does not answer\n", { status: 503 });
    },
  });
  return { port: server.port ?? 0, stop: () => server.stop(true) };
}
