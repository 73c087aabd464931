/** gRPC applications without a proxy: servers that `weft run --proxy grpc` starts, and clients that count answers. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sidecar, startSidecar } from "../../../src/app/sidecar/index.ts";
import { createLogger, systemClock, systemRng } from "../../../src/base/index.ts";
import type { MeshHarness } from "../../../src/testkit/mesh-harness.ts";

const root = join(import.meta.dir, "../../..");
const peers = join(import.meta.dir, "peers");
const log = createLogger({ format: "json", sink: () => {} });

/** One library: how its application is started. */
export interface Library {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The libraries log each refused handshake, and grpc-go as an error that it serves. */
const quiet = { GRPC_VERBOSITY: "NONE", GRPC_GO_LOG_SEVERITY_LEVEL: "none" };

export const grpcioVersion = "1.85.1";

function tell(name: string, why: string): undefined {
  process.stderr.write(`${name} is not to be had here: ${why.trim().split("\n").at(-1)}\n`);
  return undefined;
}

/** PyPI's grpcio on the C core, in .cache/grpcio. */
export function python(): Library | undefined {
  const dir = join(root, ".cache/grpcio", grpcioVersion);
  const python3 = Bun.which("python3");
  if (python3 === null) return tell("grpcio", "there is no python3");
  if (!existsSync(join(dir, "grpc"))) {
    const pip = [python3, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    const done = Bun.spawnSync([...pip, "--target", dir, `grpcio==${grpcioVersion}`], { stderr: "pipe" });
    if (!existsSync(join(dir, "grpc"))) return tell("grpcio", done.stderr.toString());
  }
  return {
    name: `grpcio ${grpcioVersion}`,
    command: [python3, join(peers, "echo.py")],
    env: { PYTHONPATH: dir },
  };
}

/** npm's grpc-js and grpc-js-xds, under Node. */
export function node(): Library | undefined {
  const program = Bun.which("node");
  const manifest = join(root, "node_modules/@grpc/grpc-js-xds/package.json");
  if (program === null || !existsSync(manifest)) return tell("grpc-js-xds", "there is no node");
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  return { name: `grpc-js-xds ${version}`, command: [program, join(peers, "echo.cjs")], env: {} };
}

/** grpc-go, built into .cache/grpc-go. */
export function go(): Library | undefined {
  const program = Bun.which("go");
  if (program === null) return tell("grpc-go", "there is no go");
  const source = join(peers, "go");
  const version = /google\.golang\.org\/grpc v(\S+)/.exec(readFileSync(join(source, "go.mod"), "utf8"))?.[1];
  const dir = join(root, ".cache/grpc-go");
  mkdirSync(dir, { recursive: true });
  // Go's own cache knows whether anything changed.
  const binary = join(dir, "echo");
  const build = Bun.spawnSync([program, "build", "-o", binary, "."], { cwd: source, stderr: "pipe" });
  if (build.exitCode !== 0) return tell("grpc-go", build.stderr.toString());
  return { name: `grpc-go ${version}`, command: [binary], env: {} };
}

export interface Order {
  readonly target: string;
  readonly count: number;
  /** Certificates where the control plane says so; else none in any case. */
  readonly secure: boolean;
  readonly method?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Seconds; default 10. */
  readonly deadline?: number;
  /** All at once instead of one after the other. */
  readonly together?: boolean;
}

export interface Tally {
  /** By version. */
  readonly answers: Readonly<Record<string, number>>;
  /** `STATUS: message` -> how often. */
  readonly errors: Readonly<Record<string, number>>;
  /** SPIFFE ids as which the server knew the caller; "" without a certificate. */
  readonly callers: readonly string[];
}

export interface Client {
  call(order: Order): Promise<Tally>;
  stop(): Promise<void>;
}

/** A sidecar without a proxy, as `weft run --proxy grpc` starts it. Without `command` the application is the caller's. */
export async function startProxyless(
  mesh: MeshHarness,
  options: {
    service: string;
    version?: string;
    port: number;
    command: readonly string[];
    env: Record<string, string>;
  },
): Promise<Sidecar> {
  const stateDir = mkdtempSync(join(tmpdir(), "weft-proxyless-"));
  const sidecar = await startSidecar({
    client: mesh.dev.client,
    namespace: "default",
    service: options.service,
    ...(options.version === undefined ? {} : { version: options.version }),
    port: options.port,
    proxyless: true,
    command: options.command,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...quiet, ...options.env },
    cwd: stateDir,
    stateDir,
    stateRoot: stateDir,
    createWorker: () => new Worker(new URL("../../../src/worker.ts", import.meta.url)),
    weftVersion: "test",
    clock: systemClock,
    rng: systemRng,
    log,
  });
  const { stop } = sidecar;
  sidecar.stop = async (signal) => {
    const status = await stop.call(sidecar, signal);
    rmSync(stateDir, { recursive: true, force: true });
    return status;
  };
  return sidecar;
}

/** Answers when it is ready: its library has taken the listener, and the mesh knows it. */
export async function startServer(
  mesh: MeshHarness,
  library: Library,
  workload: { service: string; version: string; port: number },
): Promise<Sidecar> {
  const { command, env } = library;
  const sidecar = await startProxyless(mesh, {
    ...workload,
    command: [...command, "serve", workload.version],
    env: { ...env },
  });
  await sidecar.ready;
  return sidecar;
}

/** A client of the mesh with an identity of its own. */
export async function startClient(mesh: MeshHarness, library: Library, service: string): Promise<Client> {
  const agent = await startProxyless(mesh, { service, port: 9, command: [], env: {} });
  const env = agent.proxy.plane.environment!({ ...process.env, ...quiet, ...library.env });
  const child = Bun.spawn([...library.command, "call"], {
    cwd: root,
    env,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let buffered = "";
  const line = async (): Promise<string> => {
    for (;;) {
      const at = buffered.indexOf("\n");
      if (at >= 0) {
        const found = buffered.slice(0, at);
        buffered = buffered.slice(at + 1);
        return found;
      }
      const { value, done } = await lines.read();
      if (done) throw new Error(`${library.name} ended`);
      buffered += value;
    }
  };
  return {
    async call(order) {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      await child.stdin.flush();
      return JSON.parse(await line()) as Tally;
    },
    async stop() {
      child.kill();
      await child.exited;
      await agent.stop();
    },
  };
}
