import type { CommandContext, StricliProcess } from "@stricli/core";
import type { Clock, Rng } from "../base/index.ts";
import type { Style } from "./style.ts";

/** What the story needs to start Weft again; the demo lives outside src and is handed in by main.ts. */
export interface DemoModule {
  /** Runs the story; resolves with the exit status. */
  runDemo(options: DemoOptions): Promise<number>;
  /** Runs one of the demo's small applications until it is told to stop. */
  runDemoApp(name: string, version: string): Promise<void>;
}

export interface DemoOptions {
  /** Command that starts this very program, without arguments. */
  readonly self: readonly string[];
  readonly out?: string;
  readonly without?: string;
  /** Kubeconfig of a cluster to play on. */
  readonly cluster?: string;
  /** Stay up after the story until Ctrl-C. */
  readonly stay: boolean;
  readonly color: boolean;
}

/** Factories from the entry module: workers can be spawned only from there (a compiled executable needs it). */
export interface Workers {
  readonly data: () => Worker;
  readonly store: () => Worker;
}

/** Everything a command may touch; commands are functions of it, so tests pass their own. */
export interface CliContext extends CommandContext {
  readonly process: StricliProcess;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly workers: Workers;
  readonly self: readonly string[];
  /** Of this build; the same for every role of the program. */
  readonly version: string;
  readonly demo: () => Promise<DemoModule>;
  readonly clock: Clock;
  readonly rng: Rng;
  /** For stdout, which is data. */
  readonly style: Style;
  /** For stderr, which is talk. */
  readonly talk: Style;
  readonly stdoutIsTerminal: boolean;
  /** Columns of the terminal; 0 where there is none. */
  readonly columns: number;
  readonly readStdin: () => Promise<string>;
  /** Exit status of a command that ends without an error of its own. */
  readonly exit: { status: number };
}
