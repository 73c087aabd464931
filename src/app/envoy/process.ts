/** Envoy's process: started, watched, started again when it dies, and gone when this process is. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import {
  type Backoff,
  backoff,
  type Clock,
  type Logger,
  type LogLevel,
  type Rng,
  type Timer,
} from "../../base/index.ts";
import type { EnvoyBinary } from "./binary.ts";
import { limits } from "./limits.ts";

export interface EnvoyProcessOptions {
  readonly binary: EnvoyBinary;
  readonly configFile: string;
  /** Remembers the process for an agent that comes after one that was killed. */
  readonly pidFile: string;
  /** Envoy's worker threads. */
  readonly concurrency: number;
  readonly env: Readonly<Record<string, string>>;
  /** Access log lines; default: this process's standard output. */
  readonly stdout?: (text: string) => void;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Whether it is live; asked after each start until it says yes. */
  readonly isLive: () => Promise<boolean>;
  /** It started, became live, or died. */
  readonly onChange: () => void;
}

type Child = Bun.Subprocess<"ignore", "pipe" | "inherit", "pipe">;

export type EnvoyState = "starting" | "live" | "dead" | "stopped";

export class EnvoyProcess {
  state: EnvoyState = "dead";
  restarts = 0;
  /** How the last one ended; "" while none did. */
  lastDeath = "";
  private readonly options: EnvoyProcessOptions;
  private readonly wait: Backoff;
  private child: Child | undefined;
  private startedAt = 0;
  private timer: Timer | undefined;
  private lastLines: string[] = [];

  constructor(options: EnvoyProcessOptions) {
    this.options = options;
    this.wait = backoff({ baseMs: limits.restartBaseMs, maxMs: limits.restartMaxMs, rng: options.rng });
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** The last lines of its log: why it did not start. */
  get complaint(): string {
    return this.lastLines.join("; ");
  }

  start(): void {
    killOrphan(this.options.pidFile);
    this.launch();
  }

  private launch(): void {
    const { options } = this;
    const { clock, log } = options;
    this.state = "starting";
    this.startedAt = clock.now();
    this.lastLines = [];
    const child: Child = Bun.spawn(argv(options), {
      env: { ...options.env },
      stdin: "ignore",
      stdout: options.stdout === undefined ? "inherit" : "pipe",
      stderr: "pipe",
      onExit: (_, code, signal) =>
        this.died(child.pid, signal === null ? `status ${code}` : `signal ${signal}`),
    });
    this.child = child;
    writeFileSync(options.pidFile, `${child.pid}\n`, { mode: 0o600 });
    log.debug("Envoy started", { pid: child.pid });
    void lines(child.stderr, (line) => this.logged(line));
    const { stdout } = options;
    if (stdout !== undefined && child.stdout instanceof ReadableStream) void texts(child.stdout, stdout);
    options.onChange();
    this.look(child.pid);
  }

  private look(pid: number): void {
    this.timer = this.options.clock.after(limits.lookMs, async () => {
      const live = await this.options.isLive();
      if (this.child?.pid !== pid || this.state !== "starting") return;
      if (!live) this.look(pid);
      else {
        this.state = "live";
        this.options.onChange();
      }
    });
  }

  private died(pid: number, how: string): void {
    if (this.state === "stopped" || this.child?.pid !== pid) return;
    const { clock, log } = this.options;
    this.timer?.cancel();
    this.child = undefined;
    this.state = "dead";
    this.lastDeath = how;
    if (clock.now() - this.startedAt >= limits.restartResetMs) this.wait.reset();
    const pause = this.wait.next();
    log.error("Envoy died and is started again", { how, said: this.complaint, retryMs: pause });
    this.options.onChange();
    this.timer = clock.after(pause, () => {
      this.restarts++;
      this.launch();
    });
  }

  private logged(line: string): void {
    const [level = "", scope = "", ...rest] = line.split("\t");
    const message = rest.length > 0 ? rest.join("\t") : line;
    this.lastLines = [...this.lastLines.slice(-4), message];
    const { log } = this.options;
    const write = levels[level] ?? "warn";
    log[write](message, scope === "" || rest.length === 0 ? {} : { envoy: scope });
  }

  /** SIGTERM, then SIGKILL; resolves when it is gone. */
  async stop(): Promise<void> {
    const { child } = this;
    this.state = "stopped";
    this.timer?.cancel();
    if (child !== undefined) {
      child.kill("SIGTERM");
      const late = this.options.clock.after(limits.stopMs, () => child.kill("SIGKILL"));
      await child.exited;
      late.cancel();
    }
    rmSync(this.options.pidFile, { force: true });
  }
}

type Written = Exclude<LogLevel, "trace" | "off">;
const levels: Readonly<Record<string, Written>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  critical: "error",
};

function argv({ binary, configFile, concurrency, log }: EnvoyProcessOptions): string[] {
  // Killed with this process, however that ends: an Envoy that nobody feeds must not hold addresses.
  const setpriv = Bun.which("setpriv");
  const level = log.enabled("debug") ? "info" : "warning";
  return [
    ...(setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL", "--"]),
    ...[binary.path, "--config-path", configFile, "--concurrency", String(concurrency)],
    ...["--disable-hot-restart", "--log-level", level, "--log-format", "%l\t%n\t%v"],
    // What Weft's proxy waits before it writes access log lines is of the same order.
    ...["--file-flush-interval-msec", "50", "--drain-strategy", "immediate", "--drain-time-s", "1"],
  ];
}

/** What an agent left that was killed where the kernel did not end its Envoy too. */
function killOrphan(pidFile: string): void {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    const name = readFileSync(`/proc/${pid}/cmdline`, "latin1");
    if (pid > 1 && name.includes("--disable-hot-restart") && name.includes("envoy"))
      process.kill(pid, "SIGKILL");
  } catch {
    // None.
  }
}

async function texts(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

async function lines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  let rest = "";
  await texts(stream, (text) => {
    const parts = (rest + text).split("\n");
    rest = (parts.pop() ?? "").slice(-limits.maxLogLine);
    for (const line of parts) if (line !== "") take(line.slice(0, limits.maxLogLine));
  });
}
