import { run } from "@stricli/core";
import { keepLoopbackDirect } from "../app/loopback/index.ts";
import { systemClock, systemRng } from "../base/index.ts";
import { buildWeft } from "./app.ts";
import type { CliContext } from "./context.ts";
import { exitStatus } from "./run-status.ts";
import { type ColorChoice, createStyle } from "./style.ts";

export type { CliContext, DemoModule, DemoOptions, Workers } from "./context.ts";

/** What only the entry module can give. */
export type CliHost = Pick<CliContext, "workers" | "self" | "demo" | "version">;

/** Takes `--color auto|always|never` out of the words before `--`; every command honours it. */
export function splitColor(argv: readonly string[]): { color: ColorChoice; rest: readonly string[] } {
  let color: ColorChoice = "auto";
  const rest: string[] = [];
  const end = argv.indexOf("--") < 0 ? argv.length : argv.indexOf("--");
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    const value = word.startsWith("--color=") ? word.slice(8) : word === "--color" ? argv[i + 1] : undefined;
    if (i < end && (value === "auto" || value === "always" || value === "never")) {
      color = value;
      if (word === "--color") i++;
    } else rest.push(word);
  }
  return { color, rest };
}

/** Runs one command line; resolves with the exit status. stdout carries data, stderr talk. */
export async function runCli(argv: readonly string[], host: CliHost): Promise<number> {
  const { color, rest } = splitColor(argv);
  const { env } = process;
  // What commands pass on is what was given; the rest is for this process's own requests.
  const given = { ...env };
  // A demo application is anybody's program: its environment is `weft run`'s business.
  if (rest[0] !== "demo-app") keepLoopbackDirect(env);
  const io: { exitCode?: number | string | null } = {};
  const talk = createStyle(process.stderr.isTTY === true, env, color);
  const context: CliContext = {
    ...host,
    process: Object.assign(io, {
      stdout: { write: (s: string) => void process.stdout.write(s), getColorDepth: () => 1 },
      stderr: { write: (s: string) => void process.stderr.write(s), getColorDepth: () => 1 },
      env,
    }),
    env: given,
    cwd: process.cwd(),
    clock: systemClock,
    rng: systemRng,
    style: createStyle(process.stdout.isTTY === true, env, color),
    talk,
    stdoutIsTerminal: process.stdout.isTTY === true,
    columns: process.stdout.columns ?? 0,
    readStdin: () => Bun.stdin.text(),
    exit: { status: 0 },
  };
  await run(buildWeft(talk, host.version), rest.length === 0 ? ["--help"] : rest, context);
  return exitStatus(io.exitCode) || context.exit.status;
}
