/**
 * The network that captured workloads of one user share: a bridge in a namespace of its own, so that the host's is
 * left as it is. A process that sleeps keeps it; it ends, and all goes with it, when the last `weft run` is gone.
 */
import { closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, delay } from "../../base/index.ts";
import { Problem } from "../problem/index.ts";
import { findProgram, type Run, runProgram } from "./install.ts";
import { limits } from "./limits.ts";

export interface Network {
  /** Process in whose namespaces the bridge is. */
  readonly pid: number;
  /** Gives it up. */
  release(): void;
}

export interface NetworkOptions {
  /** Folder of this user's (0700). */
  readonly dir: string;
  /** False: root. True: within a user namespace. */
  readonly unprivileged: boolean;
  /** One at a time. */
  readonly hold: (name: string) => { release(): void } | undefined;
  readonly clock: Clock;
}

export const bridge = "weft0";

/** Sleeps until nobody has the pipe open for writing. */
const keeper = `ip link set lo up && ip link add ${bridge} type bridge && ip link set ${bridge} up && exec cat "$0"`;

export async function joinNetwork(options: NetworkOptions): Promise<Network> {
  const { dir, clock, hold } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const end = clock.now() + limits.networkMs;
  for (;;) {
    const lock = hold(`network/${dir}`);
    if (lock !== undefined)
      try {
        return existing(options) ?? (await make(options, end));
      } finally {
        lock.release();
      }
    if (clock.now() >= end)
      throw new Problem("the network of captured workloads is being made by somebody, for too long");
    await delay(clock, limits.networkPollMs);
  }
}

const files = (dir: string) => ({ pipe: join(dir, "alive"), pid: join(dir, "pid") });

/** Opened for writing only while somebody reads. */
function openPipe(pipe: string): number | undefined {
  try {
    return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function existing({ dir }: NetworkOptions): Network | undefined {
  const { pipe, pid } = files(dir);
  const fd = openPipe(pipe);
  if (fd === undefined) return undefined;
  try {
    const number = Number(readFileSync(pid, "utf8"));
    process.kill(number, 0);
    return { pid: number, release: () => closeSync(fd) };
  } catch {
    closeSync(fd);
    return undefined;
  }
}

async function make({ dir, unprivileged, clock }: NetworkOptions, end: number): Promise<Network> {
  const { pipe, pid } = files(dir);
  rmSync(pipe, { force: true });
  const made = runProgram(["mkfifo", "-m", "600", pipe]);
  if (made.status !== 0)
    throw new Problem("the network of captured workloads could not be made", { why: made.error });
  const user = unprivileged ? ["--user", "--map-root-user"] : [];
  const log = join(dir, "log");
  const child = Bun.spawn(["unshare", ...user, "--net", "--mount", "sh", "-c", keeper, pipe], {
    cwd: "/",
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(log),
    detached: true,
  });
  child.unref();
  for (;;) {
    const fd = openPipe(pipe);
    if (fd !== undefined) {
      writeFileSync(pid, String(child.pid), { mode: 0o600 });
      return { pid: child.pid, release: () => closeSync(fd) };
    }
    if (child.exitCode !== null || clock.now() >= end) {
      child.kill("SIGKILL");
      const why = readFileSync(log, "utf8").slice(-limits.diagnosticBytes).trim();
      throw new Problem("the network of captured workloads could not be made", {
        why: why || "it took too long",
        mend: explicitMode,
      });
    }
    await delay(clock, limits.networkPollMs);
  }
}

export const explicitMode =
  "without --transparent, `weft run` needs no privileges: applications find the mesh by proxy variables";

const tools = [
  ["ip", "iproute2"],
  ["unshare", "util-linux"],
  ["nsenter", "util-linux"],
  ["setpriv", "util-linux"],
  ["mount", "mount"],
  ["mkfifo", "coreutils"],
] as const;

/** Throws with the packages that are missing, or with why this user cannot; else how it is to be done. */
export function howToIsolate(
  platform: string = process.platform,
  euid: number = process.geteuid?.() ?? -1,
  run: Run = runProgram,
  has: (name: string) => boolean = (n) => findProgram(n) !== undefined,
): "root" | "user-namespace" {
  if (platform !== "linux")
    throw new Problem("--transparent is for Linux: it needs network namespaces", { mend: explicitMode });
  const missing = tools.filter(([program]) => !has(program));
  if (missing.length > 0)
    throw new Problem(`--transparent needs ${missing.map(([p]) => p).join(", ")}`, {
      mend: `install the packages ${[...new Set(missing.map(([, p]) => p))].join(", ")}; or: ${explicitMode}`,
    });
  const user = euid === 0 ? [] : ["--user", "--map-root-user"];
  const tried = run(["unshare", ...user, "--net", "--mount", "true"]);
  if (tried.status === 0) return euid === 0 ? "root" : "user-namespace";
  throw new Problem("--transparent needs a network namespace, and this user may not make one", {
    why: tried.error,
    mend:
      euid === 0
        ? `run it where CAP_SYS_ADMIN and CAP_NET_ADMIN are there; ${explicitMode}`
        : `run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces); ${explicitMode}`,
  });
}
