/** Health and merged metrics for those who watch from outside: Istio's ports 15020 and 15021. */
import type { Server } from "bun";
import type { Logger } from "../../base/index.ts";
import type { Agent } from "../agent/index.ts";
import { prometheusContentType } from "../telemetry/index.ts";
import { urlOf } from "./guard.ts";
import { appMetricsMs, maxAdminBodyBytes, maxAppMetricsBytes } from "./limits.ts";

export interface HealthOptions {
  readonly agent: Pick<Agent, "unready"> & { prometheus(): string | Promise<string> };
  readonly address: string;
  /** /healthz/ready and /stats/prometheus; default 15020. */
  readonly metricsPort?: number;
  /** /healthz/ready only; default 15021. */
  readonly readyPort?: number;
  /** The application's own metrics page, added to the proxy's. */
  readonly appMetricsUrl?: string;
  /** The application's readiness; default: not asked. */
  readonly appReady?: () => boolean;
  readonly log: Logger;
}

export interface Health {
  readonly metricsPort: number;
  readonly readyPort: number;
  stop(): Promise<void>;
}

function readyAnswer(options: HealthOptions): Response {
  const why = [...options.agent.unready()];
  if (options.appReady && !options.appReady()) why.push("the application is not ready");
  return why.length === 0 ? new Response("ready\n") : new Response(`${why.join("\n")}\n`, { status: 503 });
}

/** The application's page; a comment in its place where it cannot be had. */
async function appMetrics(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(appMetricsMs), redirect: "error" });
    if (!answer.ok) return `# application metrics: HTTP ${answer.status}\n`;
    const body = await answer.text();
    if (body.length > maxAppMetricsBytes) return "# application metrics: too long\n";
    // An end mark of OpenMetrics in the middle would end the page.
    return `${body.replaceAll(/^# EOF$/gm, "").trimEnd()}\n`;
  } catch (e) {
    return `# application metrics: ${e instanceof Error ? e.message.replaceAll("\n", " ") : "failed"}\n`;
  }
}

async function metricsAnswer(options: HealthOptions): Promise<Response> {
  const own = await options.agent.prometheus();
  const app = options.appMetricsUrl === undefined ? "" : await appMetrics(options.appMetricsUrl);
  return new Response(own + app, { headers: { "content-type": prometheusContentType } });
}

/** Serves until stopped. Throws where an address cannot be bound. */
export function startHealth(options: HealthOptions): Health {
  const serve = (port: number, withMetrics: boolean): Server<undefined> =>
    Bun.serve({
      hostname: options.address,
      port,
      development: false,
      maxRequestBodySize: maxAdminBodyBytes,
      async fetch(request) {
        const url = urlOf(request);
        if (url instanceof Response) return url;
        const { pathname } = url;
        if (request.method !== "GET" && request.method !== "HEAD") return new Response(null, { status: 405 });
        if (pathname === "/healthz/ready") return readyAnswer(options);
        if (withMetrics && (pathname === "/stats/prometheus" || pathname === "/metrics"))
          return await metricsAnswer(options);
        return new Response("not found\n", { status: 404 });
      },
      error(e) {
        options.log.error("a health page failed", { error: e });
        return new Response("internal error\n", { status: 500 });
      },
    });
  const metrics = serve(options.metricsPort ?? 15_020, true);
  let ready: Server<undefined>;
  try {
    ready = serve(options.readyPort ?? 15_021, false);
  } catch (e) {
    void metrics.stop(true);
    throw e;
  }
  return {
    metricsPort: metrics.port ?? 0,
    readyPort: ready.port ?? 0,
    async stop() {
      await metrics.stop(true);
      await ready.stop(true);
    },
  };
}
