/**
 * The control plane under N grpc-go clients: starts control-plane.ts for each N, runs xdsbench against it, and prints a
 * row of docs/numbers.md for each. `--xdsbench` is the folder of that Go program (the design's tools/xdsbench).
 */
import { existsSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureGoProgram } from "../../src/testkit/peers.ts";

const { values } = parseArgs({
  options: {
    xdsbench: { type: "string", default: "" },
    proxies: { type: "string", default: "100,200,500,1000" },
    services: { type: "string", default: "1000" },
    rounds: { type: "string", default: "5" },
  },
});

interface Served {
  readonly xds: string;
  readonly web: string;
}

interface Usage {
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

interface Change {
  readonly p50: number;
  readonly p99: number;
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  throw new Error(`the control plane said only ${JSON.stringify(text)}`);
}

async function measure(program: string, proxies: string): Promise<string> {
  const plane = Bun.spawn(
    [process.execPath, join(import.meta.dir, "control-plane.ts"), values.services, "0"],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  try {
    const { xds, web } = JSON.parse(await firstLine(plane.stdout)) as Served;
    const [load = 0] = loadavg();
    const change = `curl -s 'http://${web}/change?ip={ip}'`;
    const flags = ["-addr", xds, "-n", proxies, "-clusters", values.services, "-rounds", values.rounds];
    const bench = Bun.spawn([program, ...flags, "-wait", "180s", "-exec", change], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const [said, status] = await Promise.all([bench.stdout.text(), bench.exited]);
    if (status !== 0) throw new Error(`xdsbench ended with ${status}:\n${said}`);
    const { cpuSeconds, peakMb } = (await (await fetch(`http://${web}/usage`)).json()) as Usage;
    const [, first = "?"] = /first push complete ([\d.]+)s/.exec(said) ?? [];
    const all = new RegExp(`: ${proxies} of ${proxies} proxies, .*p50 (\\d+) p99 (\\d+)`);
    const changes = said.split("\n").flatMap((line): Change[] => {
      const found = all.exec(line);
      return found ? [{ p50: Number(found[1]), p99: Number(found[2]) }] : [];
    });
    if (changes.length !== Number(values.rounds)) throw new Error(`not every change reached all:\n${said}`);
    const span = (of: keyof Change): string => {
      const list = changes.map((c) => c[of]).sort((a, b) => a - b);
      return `${list[0]}-${list.at(-1)}`;
    };
    const cells = [proxies, `${first} s`, `${cpuSeconds.toFixed(1)} s`, `${peakMb} MB`];
    return `| ${[...cells, `${span("p50")} / ${span("p99")} ms`, load.toFixed(1)].join(" | ")} |`;
  } finally {
    plane.kill();
    await plane.exited;
  }
}

const folder = values.xdsbench;
if (folder === "" || !existsSync(join(folder, "go.mod"))) {
  process.stderr.write("bench-xds wants the folder of the Go program: make bench-xds XDSBENCH=FOLDER\n");
  process.exit(64);
}
const program = ensureGoProgram(folder, "xdsbench");
if (program === undefined) process.exit(69);
process.stdout.write(
  "| proxies | first push complete | CPU to the end | peak memory | an endpoint changes: p50 / p99 | load before |\n",
);
for (const proxies of values.proxies.split(",")) process.stdout.write(`${await measure(program, proxies)}\n`);
