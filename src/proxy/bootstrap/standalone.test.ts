/** The proxy from a file, with real data threads and sockets on loopback. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng, systemClock } from "../../base/index.ts";
import { type Standalone, type StandaloneResult, startStandalone } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-standalone-"));
const root = join(import.meta.dir, "../../..");
const log = createLogger({ sink: () => {} });
const stops: (() => unknown)[] = [];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A port that nobody has; taken again by the proxy. */
function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

function bootstrap(options: { port: number; upstream: number; logFile: string; more?: string }): string {
  const file = join(dir, `b-${options.port}.yaml`);
  writeFileSync(
    file,
    `
node: {id: alone, cluster: test}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 0}}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: ${options.port}}}
    traffic_direction: OUTBOUND
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: "/"}
                route: {cluster: backend}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: ${options.logFile}
              log_format: {text_format_source: {inline_string: "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%\\n"}}
  clusters:
  - name: backend
    type: STATIC
    ${options.more ?? "lb_policy: ROUND_ROBIN"}
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${options.upstream}}}}
`,
  );
  return file;
}

function start(file: string): Promise<StandaloneResult> {
  return startStandalone({
    file,
    createWorker: () => new Worker(join(root, "src/worker.ts")),
    concurrency: 2,
    clock: systemClock,
    rng: seededRng(1),
    log,
    version: "0",
  });
}

function running(result: StandaloneResult): Standalone {
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  stops.push(() => result.proxy.stop());
  return result.proxy;
}

const origin = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (r) => new Response(new URL(r.url).pathname),
});
stops.push(() => origin.stop(true));

test("weft proxy serves what its file says, counts and logs it, and keeps others off its address", async () => {
  const port = freePort();
  const logFile = join(dir, "access.log");
  const file = bootstrap({ port, upstream: origin.port!, logFile });
  const { agent, admin } = running(await start(file));
  const bodies = await Promise.all(
    Array.from({ length: 20 }, (_, i) => fetch(`http://127.0.0.1:${port}/n${i}`).then((r) => r.text())),
  );
  expect(bodies).toEqual(Array.from({ length: 20 }, (_, i) => `/n${i}`));
  expect(agent.unready()).toEqual([]);
  const page = await (await fetch(`http://127.0.0.1:${admin!.port}/stats/prometheus`)).text();
  expect(page).toContain('envoy_cluster_upstream_rq_total{envoy_cluster_name="backend"} 20\n');
  const requests = page.split("\n").filter((l) => l.startsWith("istio_requests_total{"));
  expect(requests.reduce((n, l) => n + Number(l.slice(l.lastIndexOf(" "))), 0)).toBe(20);
  const labels = [...(requests[0]!.match(/[a-z_]+(?==")/g) ?? [])].sort();
  const side = [
    "app",
    "canonical_revision",
    "canonical_service",
    "cluster",
    "principal",
    "version",
    "workload",
  ];
  const wanted = [
    ...["source", "destination"].flatMap((s) => [...side, "workload_namespace"].map((l) => `${s}_${l}`)),
    ...["destination_service", "destination_service_name", "destination_service_namespace"],
    ...["reporter", "request_protocol", "response_code", "response_flags", "grpc_response_status"],
    "connection_security_policy",
  ];
  expect(labels).toEqual(wanted.sort());

  const second = await start(file);
  if (second.ok) throw new Error("two proxies share an address");
  expect(second.errors[0]!.message).toContain(`127.0.0.1:${port} is held by weft proxy`);

  expect(await agent.drain("all", 1000)).toEqual({ forced: 0 });
  await agent.stop();
  const lines = readFileSync(logFile, "utf8").trim().split("\n").sort();
  expect(lines).toEqual(Array.from({ length: 20 }, (_, i) => `GET /n${i} 200`).sort());
});

test("weft proxy -c names what is wrong with its file by place and ends with status 65", async () => {
  const file = bootstrap({ port: freePort(), upstream: 1, logFile: "x", more: "lb_policy: MAGLEV" });
  const child = Bun.spawn([process.execPath, join(root, "src/main.ts"), "proxy", "-c", file], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const text = await new Response(child.stderr).text();
  expect(await child.exited).toBe(65);
  expect(text).toContain("static_resources.clusters[0].lb_policy: MAGLEV is not supported");
  expect(text).toContain(`${file}:36:5`);
});

/** What only the child that compiles the file, the control plane or other commands may load. */
const notInProxy =
  /^(yaml|ajv|ajv-formats|re2js|@bufbuild\/|@grpc\/|@peculiar\/|@kubernetes-models\/|reflect-metadata)|\/(proto\/gen|kube|mesh|explain|testkit)\//;

/** Writes the specifier of every module that the main thread resolves. */
function recorder(to: string): string {
  const file = join(dir, "recorder.ts");
  writeFileSync(
    file,
    `import { appendFileSync } from "node:fs";
    Bun.plugin({ name: "recorder", setup: (b) => void b.onResolve({ filter: /./ }, (m) => {
      appendFileSync(${JSON.stringify(to)}, m.path + "\\n");
      return undefined;
    }) });`,
  );
  return file;
}

test("weft proxy -c loads nothing that only its start or other commands need", async () => {
  const port = freePort();
  const file = bootstrap({ port, upstream: origin.port!, logFile: join(dir, "m.log") });
  const seen = join(dir, "modules.txt");
  const argv = ["--preload", recorder(seen), join(root, "src/main.ts"), "proxy", "-c", file];
  const child = Bun.spawn([process.execPath, ...argv, "--log-format", "json"], {
    stdout: "ignore",
    stderr: "pipe",
  });
  stops.push(() => child.kill());
  let said = "";
  for await (const chunk of child.stderr) {
    said += new TextDecoder().decode(chunk);
    if (said.includes("serving")) break;
  }
  expect(said).toContain("serving");
  expect(await (await fetch(`http://127.0.0.1:${port}/x`)).text()).toBe("/x");
  const modules = readFileSync(seen, "utf8").trim().split("\n");
  expect(modules.some((m) => m.endsWith("/commands/proxy.ts"))).toBe(true);
  expect(modules.filter((m) => notInProxy.test(m))).toEqual([]);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});
