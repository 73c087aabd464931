/**
 * `make bench`: Weft beside Envoy (and HAProxy) in the same run, one bootstrap file for both, pinned to cores, rounds
 * interleaved, medians. Load and backend run on core 0, the proxy alone on core 1. Prints ratios, writes JSON.
 * Options: --out FILE, --quick (one short round), --rounds N, --seconds N, --only plain|pair.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureDebian, ensureEnvoy, envoyVersion } from "../src/testkit/peers.ts";
import { makeCertificates } from "./certificates.ts";
import { startPinned, until } from "./process.ts";
import {
  behaviour,
  type Contestant,
  type Figures,
  freePort,
  round,
  type Tools,
  type Work,
} from "./scenario.ts";

const { values: options } = parseArgs({
  options: {
    out: { type: "string" },
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    only: { type: "string" },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 2 : 5));
const root = join(import.meta.dir, "..");

const bars = { plain: 0.5, pair: 0.5, resident: 1 } as const;

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

type Results = Record<string, Figures[]>;

async function measure(
  tools: Tools,
  contestants: readonly Contestant[],
  works: readonly Work[],
): Promise<Results> {
  const results: Results = {};
  for (let i = 0; i < rounds; i++) {
    for (const work of works) {
      for (const who of contestants) {
        if (who === "haproxy" && work === "pair") continue;
        results[`${work}/${who}`] ??= [];
        results[`${work}/${who}`]!.push(await round(who, work, tools));
        process.stderr.write(".");
      }
    }
  }
  process.stderr.write("\n");
  return results;
}

function summarise(results: Results) {
  const of = (key: string, pick: (f: Figures) => number): number => median((results[key] ?? []).map(pick));
  return Object.keys(results).map((key) => {
    const [work] = key.split("/");
    const reference = `${work}/envoy`;
    return {
      key,
      cpuUs: of(key, (f) => f.cpuUs),
      cpuRatio: of(key, (f) => f.cpuUs) / of(reference, (f) => f.cpuUs),
      residentMb: of(key, (f) => f.residentMb),
      residentRatio: of(key, (f) => f.residentMb) / of(reference, (f) => f.residentMb),
      requestsPerSecond: of(key, (f) => f.requestsPerSecond),
      p50Ms: of(key, (f) => f.p50Ms),
      p99Ms: of(key, (f) => f.p99Ms),
      rounds: results[key]!.map((f) => Number(f.cpuUs.toFixed(2))),
    };
  });
}

function report(rows: ReturnType<typeof summarise>): boolean {
  const line = (cells: readonly string[]): void =>
    console.log(cells.map((c, i) => (i ? c.padStart(12) : c.padEnd(16))).join(""));
  line(["work/proxy", "us CPU/req", "of Envoy", "MB", "of Envoy", "req/s", "p50 ms", "p99 ms"]);
  for (const r of rows) {
    const cells = [r.cpuUs, r.cpuRatio, r.residentMb, r.residentRatio, r.requestsPerSecond, r.p50Ms, r.p99Ms];
    line([r.key, ...cells.map((n, i) => n.toFixed(i === 4 ? 0 : i === 2 ? 1 : 2))]);
  }
  let ok = true;
  for (const r of rows.filter((x) => x.key.endsWith("/weft"))) {
    const bar = r.key.startsWith("plain") ? bars.plain : bars.pair;
    for (const [what, value, limit] of [
      ["CPU", r.cpuRatio, bar],
      ["memory", r.residentRatio, bars.resident],
    ] as const) {
      const good = value <= limit;
      ok &&= good;
      console.log(
        `${good ? "holds" : "MISSES"}: ${r.key} ${what} ${value.toFixed(3)} of Envoy's, at most ${limit}`,
      );
    }
  }
  return ok;
}

async function main(): Promise<number> {
  const envoy = ensureEnvoy();
  const haproxy = ensureDebian("haproxy");
  const dir = mkdtempSync(join(tmpdir(), "weft-bench-"));
  if (!envoy || !ensureDebian("wrk")) {
    console.log("bench: skipped, it needs Envoy and wrk");
    return 0;
  }
  const backendPort = freePort();
  const backend = startPinned(0, [process.execPath, join(root, "bench/backend.ts"), String(backendPort)]);
  try {
    await until("the backend", async () => (await fetch(`http://127.0.0.1:${backendPort}/`)).ok);
    const weft = [process.execPath, join(root, "src/main.ts")];
    const tools: Tools = {
      dir,
      envoy,
      haproxy,
      weft,
      certificates: makeCertificates(dir),
      backendPort,
      seconds,
    };
    const contestants: Contestant[] = haproxy ? ["envoy", "weft", "haproxy"] : ["envoy", "weft"];
    const works = (["plain", "pair"] as const).filter((w) => !options.only || options.only === w);
    const expected = await behaviour("envoy", tools);
    const observed = await behaviour("weft", tools);
    if (!Bun.deepEquals(expected, observed)) {
      console.log("bench: answers differ", { envoy: expected, weft: observed });
      return 1;
    }
    console.log("equal for Envoy and Weft:");
    for (const [what, value] of Object.entries(expected))
      console.log(`  ${what.padEnd(32)} ${value.slice(0, 70)}`);
    const rows = summarise(await measure(tools, contestants, works));
    const ok = report(rows);
    if (options.out) {
      const machine = { cores: cpus().length, model: cpus()[0]?.model ?? "", kernel: release() };
      const versions = { envoy: envoyVersion, bun: Bun.version };
      const record = { machine, versions, rounds, seconds, bars, holds: ok, equal: expected, rows };
      writeFileSync(options.out, `${JSON.stringify(record, null, 2)}\n`);
    }
    return ok ? 0 : 1;
  } finally {
    await backend.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exit(await main());
