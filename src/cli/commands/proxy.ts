import { type LogFlags, setUpLogging } from "../../app/logging/index.ts";
import { exitStatus, formatFinding, Problem, type Severity } from "../../app/problem/index.ts";
import { type BootstrapProblem, type Standalone, startStandalone } from "../../proxy/bootstrap/index.ts";
import type { CliContext } from "../context.ts";
import { weftVersion } from "../version.ts";

export interface ProxyFlags extends LogFlags {
  readonly config?: string;
  readonly concurrency?: number;
}

/** Requests in flight get this long after SIGTERM. */
const drainMs = 5_000;

/** `weft proxy -c FILE`: exit status 65 where the file is broken or asks for what Weft does not support. */
export async function proxy(this: CliContext, flags: ProxyFlags): Promise<void> {
  const file = flags.config;
  if (file === undefined)
    throw new Problem("no bootstrap file", { mend: "name one: -c FILE", exit: exitStatus.usage });
  const log = setUpLogging(flags, "proxy");
  const tell = (severity: Severity, problems: readonly BootstrapProblem[]): void => {
    for (const { path, message, where } of problems)
      this.process.stderr.write(
        formatFinding({ severity, what: path === "" ? message : `${path}: ${message}`, where }, this.talk),
      );
  };
  const result = await startStandalone({
    file,
    self: this.self,
    createWorker: this.workers.data,
    ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
    clock: this.clock,
    rng: this.rng,
    log,
    version: weftVersion,
  });
  tell("warning", result.ok ? result.proxy.warnings : result.warnings);
  if (!result.ok) {
    tell("error", result.errors);
    this.exit.status = exitStatus.data;
    return;
  }
  const { agent, admin } = result.proxy;
  log.info("the proxy serves", {
    listeners: agent.tables().listeners.map((l) => `${l.name} ${l.address}:${l.port}`),
    ...(admin ? { admin: admin.port } : {}),
  });
  await stopped(result.proxy);
}

/** Resolves when the proxy was told to end and its requests are done; a second signal does not wait. */
function stopped(running: Standalone): Promise<void> {
  return new Promise((resolve) => {
    let ending = false;
    const end = (): void => {
      if (ending) {
        void running.stop().then(resolve);
        return;
      }
      ending = true;
      void running.agent
        .drain("all", drainMs)
        .then(() => running.stop())
        .then(resolve);
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
    process.on("SIGUSR1", () => running.agent.reopenLogs());
  });
}
