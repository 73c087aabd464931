/** Workloads under `weft run --transparent`, and commands inside their networks. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { weftCommand } from "../../src/testkit/cli.ts";
import { eventually, type MeshHarness } from "../../src/testkit/mesh-harness.ts";
import { ensureDebian } from "../../src/testkit/peers.ts";

/** Why captured workloads cannot be run here; undefined: they can. */
export function obstacle(): string | undefined {
  if (process.platform !== "linux") return "not Linux";
  const tools = [
    ["ip", "iproute2"],
    ["nft", "nftables"],
    ["setpriv", "util-linux"],
    ["curl", "curl"],
  ] as const;
  for (const [program, name] of tools) if (ensureDebian(program, name) === undefined) return `no ${program}`;
  const user = process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const tried = Bun.spawnSync(["unshare", ...user, "--net", "--mount", "true"], { stderr: "pipe" });
  return tried.exitCode === 0 ? undefined : tried.stderr.toString().trim();
}

export interface Captured {
  /** Address on the shared network, and of its pages on the host. */
  readonly address: string;
  readonly host: string;
  /** Of the command, and of the sidecar inside. */
  readonly pid: number;
  readonly sidecar: number;
  readonly stateDir: string;
  /** Runs a command where the application is; status and what it printed. */
  exec(...argv: string[]): Promise<{ readonly status: number; readonly out: string }>;
  metrics(): Promise<string>;
  /** What the outer process said. */
  talk(): string;
  stop(): Promise<number>;
}

export interface Start {
  readonly service: string;
  readonly port: number;
  readonly command: readonly string[];
  /** More flags of `weft run`. */
  readonly flags?: readonly string[];
  /** Put before the whole, to run as somebody else. */
  readonly as?: readonly string[];
  readonly namespace?: string;
}

const limitMs = 60_000;

export async function startCaptured(mesh: MeshHarness, root: string, start: Start): Promise<Captured> {
  const stateDir = join(root, start.service);
  mkdirSync(root, { recursive: true });
  let talk = "";
  const child = Bun.spawn(
    [
      ...(start.as ?? []),
      ...weftCommand,
      ...["run", "--transparent", "--service", start.service, "--port", String(start.port)],
      ...["--state-dir", stateDir, "--log-format", "text", "--concurrency", "1"],
      ...["--namespace", start.namespace ?? "default", ...(start.flags ?? [])],
      ...["--", ...start.command],
    ],
    {
      env: {
        ...process.env,
        ...{ XDG_STATE_HOME: root, WEFT_KUBECONFIG: mesh.dev.kubeconfigPath, NO_COLOR: "1", HOME: root },
        ...{ http_proxy: undefined, https_proxy: undefined, HTTP_PROXY: undefined, HTTPS_PROXY: undefined },
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    },
  );
  void (async () => {
    for await (const bytes of child.stderr) talk += new TextDecoder().decode(bytes);
  })();
  const [, address, host] = await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`${start.service} ended:\n${talk}`);
    const at = /workload is at (\S+), its admin pages on this host at (\S+):15000/.exec(talk);
    return at !== null && /the application is ready/.test(talk) ? at : undefined;
  }, limitMs).catch((error: Error) => {
    throw new Error(`${start.service} is not ready: ${error.message}\n${talk}`);
  });
  const pid = (JSON.parse(readFileSync(join(stateDir, "command.json"), "utf8")) as { pid: number }).pid;
  const sidecar = Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const user = start.as === undefined ? [] : ["--user", "--preserve-credentials"];
  return {
    ...{ address: address!, host: host!, pid, sidecar, stateDir },
    async exec(...argv) {
      const run = Bun.spawn(["nsenter", "-t", String(pid), "--net", "--mount", ...user, "--", ...argv], {
        env: { PATH: process.env["PATH"] ?? "" },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, error, status] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
      return { status, out: (out + error).trim() };
    },
    metrics: async () => (await fetch(`http://${host}:15020/stats/prometheus`)).text(),
    talk: () => talk,
    stop() {
      child.kill("SIGTERM");
      return child.exited;
    },
  };
}

/** A server of one line on 127.0.0.1. */
export const server = (port: number, text: string): string[] => [
  process.execPath,
  "-e",
  `Bun.serve({hostname:"127.0.0.1",port:${port},fetch:()=>new Response(${JSON.stringify(text)})})`,
];

/** One that lives, listens, and otherwise does nothing. */
export const idle = (port: number): string[] => server(port, "idle");
