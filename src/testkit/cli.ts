/** The command line from source, as a process of its own. */
import { join } from "node:path";

/** Begin of an argv: executable and script. */
export const weftCommand: readonly string[] = [process.execPath, join(import.meta.dir, "../main.ts")];

export interface CliRun {
  readonly out: string;
  /** What it said on stderr. */
  readonly talk: string;
  readonly status: number;
}

/** Runs `weft ...args` to its end; colours are off. */
export async function runWeft(
  args: readonly string[],
  where: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<CliRun> {
  const run = Bun.spawn([...weftCommand, ...args], {
    cwd: where.cwd,
    env: { ...where.env, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, talk, status] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
  return { out, talk, status };
}
