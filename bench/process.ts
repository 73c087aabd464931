/** Child processes of a benchmark: pinned to a core, measured by /proc, ended by id. */
import { readFileSync } from "node:fs";

/** Clock ticks a second of /proc/<pid>/stat; Linux has had 100 on all our machines (getconf CLK_TCK). */
const ticksPerSecond = Number(Bun.spawnSync(["getconf", "CLK_TCK"]).stdout.toString()) || 100;

export interface Pinned {
  readonly pid: number;
  /** user + system CPU of the process with all its threads, in seconds. */
  cpuSeconds(): number;
  /** Resident memory in MB. */
  residentMb(): number;
  stop(): Promise<void>;
}

/** utime + stime of the process with all its threads, those that ended included, in seconds. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Starts `argv` on one core; output goes to `log` (default: dropped). */
export function startPinned(
  core: number,
  argv: readonly string[],
  options: { log?: string; env?: Record<string, string> } = {},
): Pinned {
  const out = options.log ? Bun.file(options.log) : "ignore";
  const child = Bun.spawn(["taskset", "-c", String(core), ...argv], {
    stdin: "ignore",
    stdout: out,
    stderr: out,
    env: { ...process.env, ...options.env },
  });
  return {
    pid: child.pid,
    cpuSeconds: () => cpuOf(child.pid),
    residentMb() {
      const line = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
      return Number(line?.[1] ?? 0) / 1024;
    },
    async stop() {
      child.kill("SIGTERM");
      const gone = await Promise.race([child.exited.then(() => true), Bun.sleep(3000).then(() => false)]);
      if (!gone) child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Waits until `check` is true; throws after ten seconds naming what was awaited. */
export async function until(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await Promise.resolve(check()).catch(() => false)) return;
    await Bun.sleep(50);
  }
  throw new Error(`timed out waiting for ${what}`);
}
