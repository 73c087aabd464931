/** One file for both proxies: who a client is, what is internal, and which x-envoy-* fields are heard and passed on. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng, systemClock } from "../../src/base/index.ts";
import { type Standalone, startStandalone } from "../../src/proxy/bootstrap/index.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";
import { ensureEnvoy, envoyVersion } from "../../src/testkit/peers.ts";

const envoy = ensureEnvoy();
const dir = mkdtempSync(join(tmpdir(), "weft-client-"));
const type = "type.googleapis.com/envoy.extensions.filters";
const ranges = {
  internal_address_config: {
    cidr_ranges: [
      { address_prefix: "127.0.0.0", prefix_len: 8 },
      { address_prefix: "10.0.0.0", prefix_len: 8 },
    ],
  },
};

const managers: Readonly<Record<string, object>> = {
  remote: { use_remote_address: true },
  "remote, 1 hop": { use_remote_address: true, xff_num_trusted_hops: 1 },
  "remote, 2 hops": { use_remote_address: true, xff_num_trusted_hops: 2 },
  "passed on": {},
  "passed on, 1 hop": { xff_num_trusted_hops: 1 },
  "remote, ranges": { use_remote_address: true, ...ranges },
  "remote, ranges, 1 hop": { use_remote_address: true, xff_num_trusted_hops: 1, ...ranges },
  "passed on, ranges": ranges,
  "passed on, ranges, 1 hop": { xff_num_trusted_hops: 1, ...ranges },
};
const forwarded = [
  "",
  "10.0.0.9",
  "8.8.8.8",
  "8.8.8.8, 10.0.0.9",
  "10.0.0.9, 8.8.8.8",
  "127.0.0.1",
  "::1",
  "junk",
  ",",
];
const retries: readonly Readonly<Record<string, string>>[] = [
  { "x-envoy-retry-on": "5xx", "x-envoy-max-retries": "3", "x-envoy-upstream-rq-timeout-ms": "7000" },
  { "x-envoy-retry-on": "5xx", "x-envoy-max-retries": "junk" },
  { "x-envoy-max-retries": "2" },
  {
    "x-envoy-retry-on": "retriable-status-codes",
    "x-envoy-retriable-status-codes": "500, 503",
    "x-envoy-max-retries": "2",
  },
  { "x-envoy-retry-on": "junk,gateway-error", "x-envoy-upstream-rq-per-try-timeout-ms": "300" },
];

function bootstrap(ports: readonly number[], upstream: number): object {
  const retry_policy = {
    retry_on: "connect-failure",
    num_retries: 1,
    retry_back_off: { base_interval: "0.001s" },
  };
  const manager = (name: string) => ({
    "@type": `${type}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    ...managers[name],
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            { match: { prefix: "/retry" }, route: { cluster: "backend", retry_policy } },
            { match: { prefix: "/" }, route: { cluster: "backend" } },
          ],
        },
      ],
    },
    http_filters: [{ name: "router", typed_config: { "@type": `${type}.http.router.v3.Router` } }],
  });
  const at = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
  return {
    node: { id: "client", cluster: "test" },
    static_resources: {
      listeners: Object.keys(managers).map((name, i) => ({
        name,
        address: at(ports[i]!),
        filter_chains: [{ filters: [{ name: "http", typed_config: manager(name) }] }],
      })),
      clusters: [
        {
          name: "backend",
          type: "STATIC",
          connect_timeout: "1s",
          load_assignment: {
            cluster_name: "backend",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at(upstream) } }] }],
          },
        },
      ],
    },
  };
}

/** Ports that nobody has now. */
function freePorts(count: number): readonly number[] {
  const held = Array.from({ length: count }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }),
  );
  for (const listener of held) listener.stop(true);
  return held.map(({ port }) => port);
}

interface Seen {
  readonly tries: number;
  readonly fields: Readonly<Record<string, string>>;
}

const origin = { tries: 0, fields: {} as Record<string, string> };
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    origin.tries++;
    origin.fields = Object.fromEntries([...request.headers].filter(([name]) => name.startsWith("x-")));
    return new Response("no", { status: 503 });
  },
});

/** What the origin sees, without what is made up anew each time. */
async function ask(port: number, path: string, headers: Readonly<Record<string, string>>): Promise<Seen> {
  origin.tries = 0;
  origin.fields = {};
  await (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).text();
  const fields = { ...origin.fields };
  if (fields["x-request-id"] !== "mine") fields["x-request-id"] = "another";
  // Envoy tells what is left of the time.
  if (fields["x-envoy-expected-rq-timeout-ms"] !== undefined)
    fields["x-envoy-expected-rq-timeout-ms"] = "some";
  // For a caller on loopback Envoy writes an address of the machine.
  const list = fields["x-forwarded-for"];
  if (list !== undefined && list !== headers["x-forwarded-for"])
    fields["x-forwarded-for"] = list.replace(/[^,]*$/, "caller");
  return { tries: origin.tries, fields };
}

const names = Object.keys(managers);
const ports = freePorts(2 * names.length);
const weftPorts = ports.slice(names.length);
const envoyPorts = ports.slice(0, names.length);
let weft: Standalone | undefined;
let other: Bun.Subprocess | undefined;

beforeAll(async () => {
  if (envoy === undefined) return;
  const file = (name: string, ports: readonly number[]): string => {
    const path = join(dir, name);
    writeFileSync(path, JSON.stringify(bootstrap(ports, server.port!)));
    return path;
  };
  const started = await startStandalone({
    file: file("weft.json", weftPorts),
    createWorker: () => new Worker(new URL("../../src/worker.ts", import.meta.url)),
    concurrency: 1,
    clock: systemClock,
    rng: seededRng(1),
    log: createLogger({ sink: () => {} }),
    version: "test",
  });
  if (!started.ok) throw new Error(JSON.stringify(started.errors));
  weft = started.proxy;
  const argv = [
    "-c",
    file("envoy.json", envoyPorts),
    "--concurrency",
    "1",
    "--use-dynamic-base-id",
    "-l",
    "off",
  ];
  other = Bun.spawn([envoy, ...argv], { stdout: "ignore", stderr: "ignore" });
  await eventually(async () => (await fetch(`http://127.0.0.1:${envoyPorts[0]}/`)).status === 503);
}, 60_000);
afterAll(async () => {
  other?.kill();
  await other?.exited;
  await weft?.stop();
  await server.stop(true);
  rmSync(dir, { recursive: true, force: true });
});

describe.skipIf(envoy === undefined)(`Weft and Envoy ${envoyVersion} tell the upstream the same`, () => {
  test.each(names)(
    "%s",
    async (name) => {
      const i = names.indexOf(name);
      for (const list of forwarded)
        for (const path of ["/", "/retry"])
          for (const steering of retries) {
            const headers = {
              ...(list === "" ? {} : { "x-forwarded-for": list }),
              ...{ "x-envoy-internal": "true", "x-envoy-external-address": "6.6.6.6" },
              ...{ "x-envoy-original-path": "/o", "x-forwarded-proto": "https", "x-request-id": "mine" },
              ...steering,
            };
            const [ours, theirs] = [
              await ask(weftPorts[i]!, path, headers),
              await ask(envoyPorts[i]!, path, headers),
            ];
            expect(theirs.tries).toBeGreaterThan(0);
            expect({ list, path, steering, ...ours }).toEqual({ list, path, steering, ...theirs });
          }
    },
    30_000,
  );
});
