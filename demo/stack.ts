/**
 * Starts and stops the processes of the demo: one `weft dev` (on a cluster: `weft install --crds` and
 * `weft control-plane`), and `weft run` for each application.
 */
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/base/index.ts";
import {
  createKubeClient,
  type KubeClient,
  type KubeObject,
  loadKubeconfig,
  refs,
} from "../src/kube/client/index.ts";
import { cast } from "./cast.ts";
import { refuseToDisturb, takeAway } from "./cluster.ts";

export interface Instance {
  /** `reviews-v1-a`. */
  readonly id: string;
  readonly service: string;
  readonly version: string;
  /** Where the application itself listens, on 127.0.0.1, and the workload's own address, once it is registered. */
  appPort: number;
  address: string;
  readonly log: string;
  readonly process: Bun.Subprocess;
}

export interface Stack {
  readonly dir: string;
  readonly kubeconfig: string;
  readonly client: KubeClient;
  readonly self: readonly string[];
  readonly instances: readonly Instance[];
  instance(id: string): Instance;
  stop(): Promise<void>;
}

/** Longest wait for a process to come up. */
const startLimitMs = 45_000;
/** Longest wait for a process to go. */
const stopLimitMs = 12_000;

/** A process that ended although it should run: waiting longer is in vain. */
class Ended extends Error {}

/** What became of an instance that does not answer: whether it still runs, and the end of its log. */
export function obituary({ id, address, process: { exitCode, signalCode, pid }, log }: Instance): string {
  const fate =
    signalCode !== null
      ? `was ended by ${signalCode}`
      : exitCode !== null
        ? `ended with status ${exitCode}`
        : `runs (pid ${pid})`;
  const lines = readFileSync(log, "utf8").trimEnd().split("\n").slice(-6);
  return `${id} at ${address}: its weft run ${fate}; its log ends\n${lines.map((l) => `    ${l}`).join("\n")}`;
}

/** Polls until `probe` gives something; fails with the text of `log` when the limit is over. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  limitMs = startLimitMs,
): Promise<T> {
  const end = performance.now() + limitMs;
  let last = "";
  while (performance.now() < end) {
    const found = await probe().catch((error: unknown) => {
      if (error instanceof Ended) throw error;
      last = error instanceof Error ? error.message : String(error);
      return undefined;
    });
    if (found !== undefined) return found;
    await Bun.sleep(50);
  }
  throw new Error(`${what}: not within ${limitMs / 1000} s${last ? ` (${last})` : ""}`);
}

/** `cluster`: kubeconfig of an API server to use instead of our own. */
export async function startStack(self: readonly string[], cluster?: string): Promise<Stack> {
  const visited = cluster === undefined ? undefined : clientOf(cluster);
  if (visited) await refuseToDisturb(visited);
  const dir = mkdtempSync(join(tmpdir(), "weft-demo-"));
  const env: Record<string, string> = { ...(process.env as Record<string, string>) };
  for (const name of Object.keys(env)) if (/_proxy$/i.test(name)) delete env[name];
  // The visitor has more requests under way than Bun's fetch allows by itself (256).
  env["BUN_CONFIG_MAX_HTTP_REQUESTS"] = "2000";
  const spawn = (name: string, args: readonly string[]): Bun.Subprocess => {
    const log = openSync(join(dir, `${name}.log`), "a", 0o600);
    // In groups of their own: a Ctrl-C reaches the story alone, which then stops all in order.
    return Bun.spawn([...self, ...args], {
      stdin: "ignore",
      stdout: log,
      stderr: log,
      env,
      cwd: dir,
      detached: true,
    });
  };
  const data = join(dir, "data");
  // PERMISSIVE where nothing is said, so that it is the PeerAuthentication that closes the door.
  const ports = ["--default-mtls", "permissive", "--xds-port", "0", "--debug-port", "0"];
  const kubeconfig = cluster ?? join(data, "kubeconfig");
  if (cluster !== undefined) await install(self, cluster, env);
  const plane = spawn(
    "control-plane",
    cluster === undefined
      ? ["dev", "--data-dir", data, "--api-port", "0", "--plain-xds-port", "0", ...ports]
      : ["control-plane", "--kubeconfig", cluster, ...ports],
  );
  const instances: Instance[] = [];
  const stop = async (): Promise<void> => {
    await stopAll(plane, instances);
    if (visited) await takeAway(visited);
    if (!process.env["WEFT_DEMO_KEEP"]) rmSync(dir, { recursive: true, force: true });
  };
  try {
    const log = join(dir, "control-plane.log");
    const client = await until("the control plane", () => connect(plane, kubeconfig, log));
    for (const [id, service, version] of cast) {
      const args = [
        "run",
        "--kubeconfig",
        kubeconfig,
        "--service",
        service,
        "--version",
        version,
        "--port",
        "9080",
      ];
      args.push("--ready-path", "/healthz", "--state-dir", join(dir, "state", id));
      args.push("--", ...self, "demo-app", service, version);
      const log = join(dir, `${id}.log`);
      instances.push({ id, service, version, log, appPort: 0, address: "", process: spawn(id, args) });
    }
    await until("the applications", () => register(client, instances, dir));
    return {
      ...{ dir, kubeconfig, client, self, instances, stop },
      instance: (id) => instances.find((i) => i.id === id)!,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const clientOf = (kubeconfig: string): KubeClient =>
  createKubeClient(loadKubeconfig({ path: kubeconfig }), { clock: systemClock });

async function install(
  self: readonly string[],
  kubeconfig: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const run = Bun.spawn([...self, "install", "--crds", "--kubeconfig", kubeconfig], {
    ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe", env },
  });
  const talk = await run.stderr.text();
  if ((await run.exited) !== 0) throw new Error(`weft install --crds: ${talk}`);
}

async function connect(
  plane: Bun.Subprocess,
  kubeconfig: string,
  log: string,
): Promise<KubeClient | undefined> {
  if (plane.exitCode !== null) fail("the control plane", log);
  const client = clientOf(kubeconfig);
  // What an earlier control plane left in the cluster names addresses where nobody listens any more.
  const map = await client.get<AddressMap>(refs.configMap, "weft-control-plane", "weft-system");
  return (await listens(map.data?.["debugAddress"])) ? client : undefined;
}

interface AddressMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

async function listens(address: string | undefined): Promise<boolean> {
  if (address === undefined) return false;
  return (await fetch(`http://${address}/ready`).catch(() => undefined))?.ok === true;
}

function fail(name: string, log: string): never {
  throw new Ended(`${name} ended early:\n${readFileSync(log, "utf8").slice(-2000)}`);
}

interface Entry extends KubeObject {
  readonly spec: { readonly address: string };
}

async function register(
  client: KubeClient,
  instances: readonly Instance[],
  dir: string,
): Promise<true | undefined> {
  const ended = instances.find((i) => i.process.exitCode !== null);
  if (ended) fail(ended.id, ended.log);
  const { items } = await client.listAll<Entry>(refs.workloadEntry, { namespace: "default" });
  for (const instance of instances) {
    const name = workloadOf(instance, dir);
    const entry = items.find((e) => e.metadata.name === name);
    if (entry?.metadata.annotations?.["weft.dev/ready"] !== "true") return undefined;
    instance.address = entry.spec.address;
    instance.appPort = Number(entry.metadata.annotations["weft.dev/app-port"]);
  }
  return true;
}

/** The name that `weft run` took, from its state folder; throws until it is there. */
function workloadOf({ id, service, version }: Instance, dir: string): string {
  const state = JSON.parse(readFileSync(join(dir, "state", id, "instance.json"), "utf8")) as {
    suffix: string;
  };
  return `${service}-${version}-${state.suffix}`;
}

async function stopAll(plane: Bun.Subprocess, instances: readonly Instance[]): Promise<void> {
  const end = async (p: Bun.Subprocess): Promise<void> => {
    p.kill("SIGTERM");
    const late = setTimeout(() => p.kill("SIGKILL"), stopLimitMs);
    await p.exited;
    clearTimeout(late);
  };
  await Promise.all(instances.map((i) => end(i.process)));
  await end(plane);
}
