/** Port 15014: metrics for everybody who may reach it, debug pages for those whom the API server knows. */
import type { Server } from "bun";
import type { Clock, Logger } from "../../base/index.ts";
import { type KubeClient, KubeError } from "../../kube/client/index.ts";
import type { ControlPlane } from "../../mesh/control/index.ts";
import { trustedHost, urlOf } from "../../proxy/admin/index.ts";
import type { GrpcServer } from "../../wire/grpc/index.ts";
import { shortTypeName } from "../../xds/protocol/index.ts";
import type { TypeStatus, XdsServer } from "../../xds/server/index.ts";

/** Tokens of this account (of the root namespace) for this audience are good for these pages and nothing else. */
export const debugAccount = "weft-debug";
export const debugAudience = "weft-debug";

export interface DebugOptions {
  readonly client: KubeClient;
  readonly control: ControlPlane;
  readonly xds: XdsServer;
  readonly servers: { readonly secure: GrpcServer };
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface DebugServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** One line of `weft proxy-status`. */
export interface ProxySync {
  readonly id: string;
  readonly workload: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly version: string;
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  /** CDS, EDS, LDS, RDS -> state. */
  readonly types: Readonly<Record<string, TypeSync>>;
}

export interface TypeSync {
  readonly state: string;
  readonly resources: number;
  /** Responses sent on this stream, and those of them that were refused. */
  readonly pushes: number;
  readonly refusals: number;
  /** What the proxy says against what it refuses now. */
  readonly refused?: string;
  /** The resources that it means; all of the response where it names none. */
  readonly refusedNames?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly refusedAt?: number;
}

function typeSync({ state, resources, pushes, refusals, nack }: TypeStatus): TypeSync {
  const refused = nack && { refused: nack.message, refusedNames: nack.names, refusedAt: nack.at };
  return { state, resources, pushes, refusals, ...refused };
}

export function proxySyncs(xds: Pick<XdsServer, "status">): readonly ProxySync[] {
  return xds.status().map((p) => ({
    id: p.id,
    workload: String(p.metadata["NAME"] ?? p.id),
    namespace: p.principal?.namespace ?? "",
    cluster: p.cluster,
    version: String(p.metadata["WEFT_VERSION"] ?? p.userAgent),
    address: p.address,
    connectedAt: p.connectedAt,
    types: Object.fromEntries(p.types.map((t) => [shortTypeName(t.typeUrl), typeSync(t)])),
  }));
}

/** Serves until stopped. */
export function startDebug(options: DebugOptions): DebugServer {
  const { control, xds } = options;
  const pages: Readonly<Record<string, () => unknown>> = {
    "/debug/syncz": () => proxySyncs(xds),
    "/debug/statusz": () => control.statuses,
    "/debug/refusalz": () => Object.fromEntries(control.refusals()),
    "/debug/infoz": () => control.info(),
  };
  const server: Server<undefined> = Bun.serve({
    hostname: options.host,
    port: options.port,
    development: false,
    async fetch(request) {
      const url = urlOf(request);
      if (url instanceof Response) return url;
      const { pathname } = url;
      if (!trustedHost(request.headers.get("host")))
        return text("the Host header names no address of this server\n", 403);
      if (request.method !== "GET") return text("only GET\n", 405);
      if (pathname === "/ready" || pathname === "/healthz") return text("ready\n");
      if (pathname === "/metrics") return text(metricsPage(options));
      const page = pages[pathname];
      if (page === undefined) return text(`${["/metrics", ...Object.keys(pages)].join("\n")}\n`, 404);
      const refused = await refuse(options, request.headers.get("authorization"));
      return refused ?? Response.json(page());
    },
    error: () => text("internal error\n", 500),
  });
  return { port: server.port ?? 0, stop: () => server.stop(true) };
}

const text = (body: string, status = 200): Response =>
  new Response(body, { status, headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } });

/** Whoever has a token for these pages, or one that the API server itself takes. */
async function refuse(
  { client, log }: DebugOptions,
  authorization: string | null,
): Promise<Response | undefined> {
  const token = /^bearer ([\w.~+/=-]+)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) return text("a bearer token is needed\n", 401);
  try {
    const own = await client.tokenReview(token, [debugAudience]);
    const known = own.authenticated || (await client.tokenReview(token, [])).authenticated;
    return known ? undefined : text("the token is not good\n", 401);
  } catch (error) {
    log.warn("a token could not be checked", {
      error: error instanceof KubeError ? error.message : String(error),
    });
    return text("the token could not be checked, try again\n", 503);
  }
}

function metricsPage({ control, xds, servers }: DebugOptions): string {
  const info = control.info();
  const proxies = xds.status();
  const refused = proxies.reduce((n, p) => n + p.types.filter((t) => t.nack).length, 0);
  const rows: readonly (readonly [string, string, string, number])[] = [
    ["pilot_xds", "gauge", "Proxies connected.", proxies.length],
    ["pilot_services", "gauge", "Services known.", info.services],
    ["weft_workloads", "gauge", "Workloads known.", info.workloads],
    ["weft_translations_total", "counter", "Whole translations of the objects.", info.translations],
    ["weft_endpoint_refreshes_total", "counter", "Endpoint changes by the short way.", info.refreshes],
    ["weft_translation_seconds", "gauge", "Duration of the last one.", info.lastMs / 1000],
    ["weft_xds_rejected_types", "gauge", "Types that a proxy refuses now.", refused],
    [
      "weft_xds_refused_connections_total",
      "counter",
      "Connections refused for their certificate.",
      servers.secure.refused,
    ],
  ];
  return rows
    .map(([name, type, help, v]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${v}\n`)
    .join("");
}
