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

/** The cluster's own counter of requests, by the name that both proxies use. */
async function counted(admin: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/stats/prometheus`)).text();
  let total = 0;
  for (const m of text.matchAll(/^envoy_cluster_upstream_rq_total\{([^}]*)\} (\S+)/gm)) {
    if (/envoy_cluster_name="bench"/.test(m[1]!)) total += Number(m[2]);
  }
  return total;
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
    await load(listen, 1);
    const counters = who === "haproxy" ? [] : await Promise.all(hops.map((h) => counted(h.admin)));
    const cpu = hops.map((h) => h.proxy.cpuSeconds());
    const result = await load(listen, tools.seconds);
    if (result.bad || result.requests === 0)
      throw new Error(`${who} ${work}: ${result.bad || "no request succeeded"}`);
    const hopsUs = hops.map((h, i) => ((h.proxy.cpuSeconds() - cpu[i]!) * 1e6) / result.requests);
    for (const [i, before] of counters.entries()) {
      const seen = (await counted(hops[i]!.admin)) - before;
      // Requests in flight when warm-up and load stopped are the proxy's, not the load's.
      if (seen < result.requests || seen > result.requests + 2 * connections) {
        throw new Error(`${who} ${work}: hop ${i} counted ${seen} requests, the load ${result.requests}`);
      }
    }
    return {
      hopsUs,
      cpuUs: hopsUs.reduce((a, b) => a + b, 0),
      residentMb: Math.max(...hops.map((h) => h.proxy.residentMb())),
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
    const facts: Record<string, string> = {
      status: String(answer.status),
      type: answer.headers.get("content-type") ?? "",
      body: await answer.text(),
    };
    if (inner) {
      Object.assign(facts, tlsFacts(inner.listen, tools.certificates, true));
      facts["without certificate"] = tlsFacts(inner.listen, tools.certificates, false)["answer"]!;
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
  const pick = (pattern: RegExp): string => pattern.exec(text)?.[1]?.trim() ?? "none";
  return {
    protocol:
      pick(/Protocol\s*: (\S+)|New, (TLS\S+),/) === "none"
        ? pick(/New, (TLS\S+),/)
        : pick(/Protocol\s*: (\S+)/),
    cipher: pick(/Cipher is (\S+)/),
    alpn: pick(/ALPN protocol: (\S+)/),
    group: pick(/Server Temp Key: ([^\n]+)/),
    answer: /HTTP\/1\.1 200/.test(text) ? "200" : "refused",
  };
}
