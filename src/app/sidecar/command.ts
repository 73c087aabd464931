/** The application's process. */
import { constants } from "node:os";
import type { Clock } from "../../base/index.ts";
import { Problem } from "../problem/index.ts";

export interface CommandOptions {
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  readonly cwd: string;
  readonly clock: Clock;
}

export interface RunningCommand {
  readonly pid: number;
  /** Exit status; 128 + n where signal n ended it, as a shell says it. */
  readonly exited: Promise<number>;
  /** SIGKILL to it and to whatever it started in its group. */
  kill(): void;
  /** The signal, then SIGKILL when the limit is over. What a terminal's keys send goes to the whole group. */
  stop(signal: NodeJS.Signals, limitMs: number): Promise<number>;
}

/**
 * Starts the command with the sidecar's own stdin, stdout and stderr, in a process group of its own: a Ctrl-C of the
 * terminal reaches the sidecar alone, so that the command is told only when its requests have finished.
 */
export function startCommand(options: CommandOptions): RunningCommand {
  const child = spawn(options);
  const exited = child.exited.then((code) => {
    const signal = child.signalCode;
    if (signal === null) return code;
    const numbers: Readonly<Record<string, number>> = constants.signals;
    return 128 + (typeof signal === "number" ? signal : (numbers[signal] ?? 0));
  });
  return {
    pid: child.pid,
    exited,
    kill: () => signalGroup(child.pid, "SIGKILL"),
    async stop(signal, limitMs) {
      if (signal === "SIGTERM") child.kill(signal);
      else signalGroup(child.pid, signal);
      const late = options.clock.after(limitMs, () => signalGroup(child.pid, "SIGKILL"));
      const status = await exited;
      late.cancel();
      return status;
    },
  };
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left.
  }
}

function spawn({ command, env, cwd }: CommandOptions): Bun.Subprocess {
  try {
    return Bun.spawn([...command], {
      env,
      cwd,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      detached: true,
    });
  } catch (error) {
    const missing = (error as { code?: string }).code === "ENOENT";
    throw new Problem(`cannot start ${command[0]}`, {
      why: missing ? "there is no such program on PATH" : String((error as Error).message ?? error),
      exit: missing ? 127 : 126,
    });
  }
}
