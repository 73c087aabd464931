/** The administration pages, in Envoy's shapes, so that tools that read Envoy read Weft. */
import type { Server } from "bun";
import type { Clock, Logger } from "../../base/index.ts";
import type { Agent } from "../agent/index.ts";
import { prometheusContentType } from "../telemetry/index.ts";
import { certificates } from "./certs.ts";
import { clustersJson, clustersText } from "./clusters.ts";
import { configDump } from "./config-dump.ts";
import { refuse, urlOf } from "./guard.ts";
import { maxAdminBodyBytes } from "./limits.ts";
import { serverInfo } from "./server-info.ts";
import { statsJson, statsText } from "./stats.ts";

export interface AdminOptions {
  readonly agent: Agent;
  /** IP address; loopback is where it belongs. */
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** The bootstrap's JSON form for /config_dump, already without secrets. */
  readonly bootstrapJson?: string;
}

export interface Admin {
  readonly port: number;
  stop(): Promise<void>;
}

interface Page {
  readonly help: string;
  readonly mutating?: boolean;
  readonly answer: (url: URL) => Response | Promise<Response>;
}

const json = (value: unknown): Response =>
  new Response(`${JSON.stringify(value, null, 1)}\n`, { headers: { "content-type": "application/json" } });
const text = (value: string, status = 200): Response =>
  new Response(value, { status, headers: { "content-type": "text/plain; charset=UTF-8" } });
const wantsJson = (url: URL): boolean => url.searchParams.get("format") === "json";

function listenersPage(agent: Agent, url: URL): Response {
  const { listeners } = agent.tables();
  if (!wantsJson(url)) return text(listeners.map((l) => `${l.name}::${l.address}:${l.port}\n`).join(""));
  return json({
    listener_statuses: listeners.map((l) => ({
      name: l.name,
      local_address: { socket_address: { address: l.address, port_value: l.port } },
    })),
  });
}

function loggingPage(agent: Agent, url: URL): Response {
  const changed: string[] = [];
  try {
    for (const [key, value] of url.searchParams) {
      agent.setLogLevel(key === "level" ? "" : key, value);
      changed.push(`${key === "level" ? "all" : key}: ${value}`);
    }
  } catch (e) {
    return text(`${e instanceof Error ? e.message : String(e)}\n`, 400);
  }
  return text(
    changed.length > 0 ? `${changed.join("\n")}\n` : "usage: /logging?level=debug or /logging?SCOPE=debug\n",
  );
}

async function drainPage(agent: Agent, url: URL): Promise<Response> {
  const direction = url.searchParams.has("inboundonly") ? "inbound" : "all";
  // Answered at once, as Envoy does; connections finish on their own.
  void agent.drain(direction, drainMs);
  return text("OK\n");
}

/** Connections that still run after this are cut: Envoy's --drain-time-s. */
const drainMs = 600_000;

async function configDumpPage(options: AdminOptions, url: URL): Promise<Response> {
  const { agent, bootstrapJson } = options;
  // Protobuf is there already where resources came over the wire, and not needed where they did not.
  const anyJson = agent.sources().some((r) => r.any)
    ? (await import("../compile/index.ts")).anyToJson
    : undefined;
  return json(
    configDump({
      agent,
      includeEds: url.searchParams.has("include_eds"),
      resource: url.searchParams.get("resource") ?? "",
      ...(bootstrapJson !== undefined ? { bootstrapJson } : {}),
      ...(anyJson ? { anyJson } : {}),
    }),
  );
}

function pages(options: AdminOptions): ReadonlyMap<string, Page> {
  const { agent } = options;
  const startedAt = options.clock.now();
  return new Map<string, Page>([
    [
      "/certs",
      {
        help: "certificates in use",
        answer: () => json(certificates(agent.secrets(), options.clock.wall())),
      },
    ],
    [
      "/clusters",
      {
        help: "upstream cluster status",
        answer: (url) => (wantsJson(url) ? json(clustersJson(agent)) : text(clustersText(agent))),
      },
    ],
    [
      "/config_dump",
      {
        help: "the configuration in effect (?include_eds, ?resource=)",
        answer: (url) => configDumpPage(options, url),
      },
    ],
    [
      "/drain_listeners",
      {
        help: "drain listeners (POST; ?inboundonly)",
        mutating: true,
        answer: (url) => drainPage(agent, url),
      },
    ],
    ["/listeners", { help: "listener addresses", answer: (url) => listenersPage(agent, url) }],
    [
      "/logging",
      {
        help: "set log levels (POST; ?level= or ?SCOPE=)",
        mutating: true,
        answer: (url) => loggingPage(agent, url),
      },
    ],
    [
      "/ready",
      {
        help: "200 when the proxy is ready",
        answer: () =>
          agent.ready() ? text("LIVE\n") : text(`PRE_INITIALIZING\n${agent.unready().join("\n")}\n`, 503),
      },
    ],
    [
      "/reopen_logs",
      {
        help: "reopen access logs (POST)",
        mutating: true,
        answer: () => {
          agent.reopenLogs();
          return text("OK\n");
        },
      },
    ],
    [
      "/server_info",
      {
        help: "version, state, uptime, node",
        answer: () =>
          json(serverInfo(agent, { version: options.version, uptimeMs: options.clock.now() - startedAt })),
      },
    ],
    [
      "/stats",
      {
        help: "statistics (?format=json, ?filter=)",
        answer: (url) => {
          const format = url.searchParams.get("format");
          if (format === "prometheus") return prometheusPage(agent);
          const filter = url.searchParams.get("filter") ?? "";
          return format === "json" ? json(statsJson(agent, filter)) : text(statsText(agent, filter));
        },
      },
    ],
    ["/stats/prometheus", { help: "statistics for Prometheus", answer: () => prometheusPage(agent) }],
  ]);
}

function prometheusPage(agent: Agent): Response {
  return new Response(agent.prometheus(), { headers: { "content-type": prometheusContentType } });
}

/** Serves until stopped. Throws where the address cannot be bound. */
export function startAdmin(options: AdminOptions): Admin {
  const table = pages(options);
  const index = [...table].map(([path, p]) => `${path}: ${p.help}\n`).join("");
  const server: Server<undefined> = Bun.serve({
    hostname: options.address,
    port: options.port,
    development: false,
    maxRequestBodySize: maxAdminBodyBytes,
    async fetch(request) {
      const url = urlOf(request);
      if (url instanceof Response) return url;
      const page = table.get(url.pathname);
      const refused = refuse(request, page?.mutating ?? false);
      if (refused) return refused;
      if (page) return await page.answer(url);
      return url.pathname === "/" || url.pathname === "/help"
        ? text(index)
        : text(`no such page; there are:\n${index}`, 404);
    },
    error(e) {
      options.log.error("an admin page failed", { error: e });
      return text("internal error\n", 500);
    },
  });
  return {
    port: server.port ?? 0,
    stop: () => server.stop(true),
  };
}
