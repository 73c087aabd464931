/** The application of a sidecar that was killed: it lives on without a proxy, holds its port and serves nobody. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, delay, type Logger } from "../../base/index.ts";
import { limits } from "./limits.ts";

const fileName = "command.json";

interface Command {
  readonly pid: number;
  /** Start time in ticks since boot: a process id may be somebody else's by now. */
  readonly started: string;
}

/** Field 22 of /proc/PID/stat; undefined where there is no such process (or no /proc). */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Notes the command of this life. */
export function noteCommand(stateDir: string, pid: number): void {
  const started = startOf(pid);
  if (started === undefined) return;
  const file = join(stateDir, fileName);
  writeFileSync(`${file}.new`, `${JSON.stringify({ pid, started })}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function forgetCommand(stateDir: string): void {
  rmSync(join(stateDir, fileName), { force: true });
}

function noted(stateDir: string): Command | undefined {
  try {
    const { pid, started } = JSON.parse(readFileSync(join(stateDir, fileName), "utf8")) as Partial<Command>;
    return Number.isInteger(pid) && pid! > 1 && typeof started === "string"
      ? { pid: pid!, started }
      : undefined;
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // The group is gone.
  }
}

/** Ends what a former life of this instance left running. Call it with the state folder held: that life is over. */
export async function endOrphan(stateDir: string, clock: Clock, log: Logger): Promise<void> {
  const command = noted(stateDir);
  if (command === undefined) return;
  const lives = (): boolean => startOf(command.pid) === command.started;
  if (lives()) {
    log.warn("the command of a sidecar that was killed still runs without a proxy; it is ended", {
      pid: command.pid,
    });
    signal(command.pid, "SIGTERM");
    const end = clock.now() + limits.orphanMs;
    while (lives() && clock.now() < end) await delay(clock, limits.orphanPollMs);
    if (lives()) signal(command.pid, "SIGKILL");
    while (lives() && clock.now() < end + limits.orphanMs) await delay(clock, limits.orphanPollMs);
  }
  forgetCommand(stateDir);
}
