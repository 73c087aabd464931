/** One round of one contestant: start, check, load, measure, stop. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootstrap, type Certificates, haproxyConfig } from "./config.ts";
import { type Pinned, startPinned, until } from "./process.ts";

export type Contestant = "weft" | "envoy" | "haproxy";
export type Work = "plain" | "pair";

export interface Tools {
  readonly dir: string;
  readonly envoy: string;
  readonly haproxy: string | undefined;
  readonly weft: readonly string[];
  readonly certificates: Certificates;
  readonly backendPort: number;
  readonly seconds: number;
}

/** Figures of one round. CPU in microseconds a request, summed over the proxies of the work. */
export interface Figures {
  readonly cpuUs: number;
  readonly hopsUs: readonly number[];
  readonly residentMb: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
}

interface Running {
  readonly proxy: Pinned;
  readonly listen: number;
  readonly admin: number;
}

const connections = 64;
/** Caches, pools and just-in-time compilers are warm after this. */
const warmUpSeconds = 3;

export function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

function argvOf(who: Contestant, tools: Tools, file: string): string[] {
  if (who === "envoy")
    return [tools.envoy, "-c", file, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"];
  if (who === "haproxy") return [tools.haproxy!, "-f", file, "-q", "-db"];
  return [...tools.weft, "proxy", "-c", file, "--concurrency", "1"];
}

async function start(
  who: Contestant,
  tools: Tools,
  upstream: number,
  tls: { in?: boolean; out?: boolean },
): Promise<Running> {
  const [listen, admin] = [freePort(), freePort()];
  const file = join(tools.dir, `${who}-${listen}.${who === "haproxy" ? "cfg" : "json"}`);
  const role = {
    listen,
    upstream,
    admin,
    ...(tls.in ? { tlsIn: tools.certificates } : {}),
    ...(tls.out ? { tlsOut: tools.certificates } : {}),
  };
  writeFileSync(file, who === "haproxy" ? haproxyConfig(listen, upstream) : bootstrap(role));
  const proxy = startPinned(1, argvOf(who, tools, file), { log: join(tools.dir, `${who}-${listen}.log`) });
  try {
    await until(`${who} to accept (log: ${who}-${listen}.log)`, () => accepts(listen));
  } catch (error) {
    await proxy.stop();
    throw error;
  }
  return { proxy, listen, admin };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open(s) {
          s.end();
          resolve(true);
        },
        data() {},
        connectError: () => resolve(false),
      },
    }).catch(() => resolve(false));
  });
}

async function load(
  port: number,
  seconds: number,
): Promise<{ requests: number; rps: number; p50: number; p99: number; bad: string }> {
  const argv = [
    "taskset",
    "-c",
    "0",
    "wrk",
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--latency",
    `http://127.0.0.1:${port}/bench`,
  ];
  const text = await new Response(Bun.spawn(argv, { stdout: "pipe", stderr: "inherit" }).stdout).text();
  const ms = (label: string): number => {
    const m = new RegExp(`${label}%\\s+([\\d.]+)(us|ms|s)`).exec(text);
    return m ? Number(m[1]) * ({ us: 0.001, ms: 1, s: 1000 }[m[2]!] ?? 1) : Number.NaN;
  };
  return {
    requests: Number(/(\d+) requests in/.exec(text)?.[1] ?? 0),
    rps: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0),
    p50: ms("50"),
    p99: ms("99"),
    bad: /(Non-2xx[^\n]*|Socket errors[^\n]*)/.exec(text)?.[1] ?? "",
  };
}

/** What metrics, breaker and outlier detection say, by the names that both proxies use. */
interface Counters {
  readonly downstream: number;
  readonly upstream: number;
  readonly answered: number;
  /** Requests that the breaker holds for active. */
  readonly active: number;
  /** Requests that the breaker refused and endpoints that were ejected. */
  readonly refused: number;
}

async function counted(admin: number): Promise<Counters> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/stats/prometheus`)).text();
  const sum = (name: string, ...labels: readonly string[]): number => {
    let total = 0;
    for (const m of text.matchAll(new RegExp(`^${name}\\{([^}]*)\\} (\\S+)`, "gm"))) {
      if (labels.every((l) => m[1]!.includes(l))) total += Number(m[2]);
    }
    return total;
  };
  const cluster = `envoy_cluster_name="bench"`;
  return {
    downstream: sum("envoy_http_downstream_rq_total", `envoy_http_conn_manager_prefix="bench"`),
    upstream: sum("envoy_cluster_upstream_rq_total", cluster),
    answered: sum("envoy_cluster_upstream_rq_xx", cluster, `envoy_response_code_class="2"`),
    active: sum("envoy_cluster_upstream_rq_active", cluster),
    refused:
      sum("envoy_cluster_upstream_rq_pending_overflow", cluster) +
      sum("envoy_cluster_outlier_detection_ejections_enforced_total", cluster),
  };
}

/**
 * The counters once no request is active and none came since the last look: what a load left unread in the sockets when
 * it stopped is not counted yet, and would be the next load's.
 */
async function settled(admin: number): Promise<Counters> {
  let counters = await counted(admin);
  let last = -1;
  await until("requests in flight to end", async () => {
    counters = await counted(admin);
    const still = counters.active === 0 && counters.downstream === last;
    last = counters.downstream;
    return still;
  });
  return counters;
}

/**
 * The proxy's counters must tell of the load's requests; those in flight when the load stopped are the proxy's and
 * not the load's.
 */
function checkCounters(what: string, before: Counters, after: Counters, requests: number): void {
  for (const name of ["downstream", "upstream", "answered"] as const) {
    const seen = after[name] - before[name];
    if (seen < requests || seen > requests + connections)
      throw new Error(`${what} counted ${seen} ${name} requests, the load ${requests}`);
  }
  if (after.refused !== 0) throw new Error(`${what}: ${after.refused} refused or ejected`);
}

/** Runs one round; throws where an answer, a counter or the load's own report is wrong. */
export async function round(who: Contestant, work: Work, tools: Tools): Promise<Figures> {
  const hops: Running[] = [];
  try {
    if (work === "plain") hops.push(await start(who, tools, tools.backendPort, {}));
    else {
      const inner = await start(who, tools, tools.backendPort, { in: true });
      hops.push(inner, await start(who, tools, inner.listen, { out: true }));
      hops.reverse();
    }
    const { listen } = hops[0]!;
    await load(listen, warmUpSeconds);
    const counters = who === "haproxy" ? [] : await Promise.all(hops.map((h) => settled(h.admin)));
    const cpu = hops.map((h) => h.proxy.cpuSeconds());
    const result = await load(listen, tools.seconds);
    if (result.bad || result.requests === 0)
      throw new Error(`${who} ${work}: ${result.bad || "no request succeeded"}`);
    const hopsUs = hops.map((h, i) => ((h.proxy.cpuSeconds() - cpu[i]!) * 1e6) / result.requests);
    const residentMb = Math.max(...hops.map((h) => h.proxy.residentMb()));
    for (const [i, before] of counters.entries()) {
      checkCounters(`${who} ${work}: hop ${i}`, before, await settled(hops[i]!.admin), result.requests);
    }
    return {
      hopsUs,
      cpuUs: hopsUs.reduce((a, b) => a + b, 0),
      residentMb,
      requestsPerSecond: result.rps,
      p50Ms: result.p50,
      p99Ms: result.p99,
      requests: result.requests,
    };
  } finally {
    for (const hop of hops) await hop.proxy.stop();
  }
}

/** The answer and TLS parameters that a contestant gives; the caller compares them between contestants. */
export async function behaviour(who: Contestant, tools: Tools): Promise<Record<string, string>> {
  const plain = await start(who, tools, tools.backendPort, {});
  const inner = who === "haproxy" ? undefined : await start(who, tools, tools.backendPort, { in: true });
  try {
    const answer = await fetch(`http://127.0.0.1:${plain.listen}/bench`);
    const own = new Set(["date", "x-envoy-upstream-service-time", "transfer-encoding", "connection"]);
    const facts: Record<string, string> = {
      status: String(answer.status),
      fields: [...answer.headers].flatMap(([n, v]) => (own.has(n) ? [] : [`${n}: ${v}`])).join(" | "),
      body: await answer.text(),
    };
    if (inner) {
      Object.assign(facts, tlsFacts(inner.listen, tools.certificates, true));
      facts["without certificate"] = tlsFacts(inner.listen, tools.certificates, false)["answer"]!;
      for (const [name, value] of Object.entries(await originated(who, tools)))
        facts[`to upstream: ${name}`] = value;
    }
    return facts;
  } finally {
    await plain.proxy.stop();
    await inner?.proxy.stop();
  }
}

function tlsFacts(port: number, c: Certificates, withCertificate: boolean): Record<string, string> {
  const argv = [
    "openssl",
    "s_client",
    "-connect",
    `127.0.0.1:${port}`,
    "-alpn",
    "http/1.1",
    "-CAfile",
    c.ca,
    "-ign_eof",
  ];
  if (withCertificate) argv.push("-cert", c.cert, "-key", c.key);
  const request = "GET /bench HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
  const out = Bun.spawnSync(argv, {
    stdin: Buffer.from(request),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 5000,
  });
  const text = out.stdout.toString();
  return { ...parameters(text), answer: /HTTP\/1\.1 200/.test(text) ? "200" : "refused" };
}

/** What openssl says of a connection, as client or as server. */
function parameters(text: string): Record<string, string> {
  const pick = (pattern: RegExp): string => pattern.exec(text)?.[1]?.trim() ?? "none";
  return {
    protocol: pick(/(?:New, |Protocol\s*: )(TLSv\S+?),?\s/),
    cipher: pick(/Cipher is (\S+)/),
    alpn: pick(/ALPN protocol: (\S+)/),
    group: pick(/(?:Server Temp Key|Shared (?:Elliptic )?groups): ([^:\n]+)/i),
    "client certificate": pick(/^Client certificate\s[\s\S]*?(Signature Algorithm: \S+)/m),
  };
}

/** TLS as the proxy originates it: openssl answers as its upstream, with a page about the connection. */
async function originated(who: Contestant, tools: Tools): Promise<Record<string, string>> {
  const { cert, key, ca } = tools.certificates;
  const port = freePort();
  const server = ["openssl", "s_server", "-accept", `127.0.0.1:${port}`, "-www", "-alpn", "http/1.1"];
  const trust = ["-cert", cert, "-key", key, "-CAfile", ca, "-Verify", "1", "-verify_return_error"];
  const upstream = startPinned(0, [...server, ...trust]);
  try {
    await until("openssl to accept", () => accepts(port));
    const { proxy, listen } = await start(who, tools, port, { out: true });
    try {
      const page = await fetch(`http://127.0.0.1:${listen}/`);
      return { status: `${page.status}`, ...parameters(await page.text()) };
    } finally {
      await proxy.stop();
    }
  } finally {
    await upstream.stop();
  }
}
