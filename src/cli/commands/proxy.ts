import { keepCodeSmall } from "../../app/code-pages/index.ts";
import { setUpLogging } from "../../app/logging/index.ts";
import { exitStatus, type Finding, formatFinding, Problem } from "../../app/problem/index.ts";
import { type BootstrapProblem, startStandalone } from "../../proxy/bootstrap/index.ts";
import { lockAddress } from "../../wire/socket/index.ts";
import type { CliContext } from "../context.ts";
import { stopSignal } from "../signals.ts";

export interface ProxyFlags {
  readonly config?: string;
  readonly concurrency?: number;
  readonly logLevel?: string;
  readonly logFormat?: "json" | "text";
}

/** Requests in flight may take this long once a signal came. */
const drainMs = 10_000;

/** `weft proxy -c FILE`: exit status 65 for a file that is wrong or asks for what the proxy cannot do. */
export async function proxy(this: CliContext, flags: ProxyFlags): Promise<void> {
  if (flags.config === undefined)
    throw new Problem("--config is required", { mend: "weft proxy -c envoy.yaml", exit: exitStatus.usage });
  const log = setUpLogging(flags).child("proxy");
  const stop = stopSignal();
  const result = await startStandalone({
    file: flags.config,
    self: this.self,
    createWorker: this.workers.data,
    ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
    clock: this.clock,
    rng: this.rng,
    log,
    lockAddress: (host, port) =>
      lockAddress({ host, port, owner: `weft proxy -c ${flags.config}`, clock: this.clock }),
    version: this.version,
  });
  const tell = (severity: Finding["severity"]) => (problem: BootstrapProblem) =>
    void this.process.stderr.write(formatFinding(findingOf(severity, problem), this.talk));
  const warnings = result.ok ? result.proxy.warnings : result.warnings;
  warnings.forEach(tell("warning"));
  if (!result.ok) {
    result.errors.forEach(tell("error"));
    this.exit.status = exitStatus.data;
    return stop.end();
  }
  log.info("serving", {
    listeners: result.proxy.agent.tables().listeners.map((l) => `${l.address}:${l.port}`),
  });
  const code = keepCodeSmall(this.clock, log);
  await stop.first;
  code.cancel();
  await result.proxy.agent.drain("all", drainMs);
  await result.proxy.stop();
  stop.end();
}

function findingOf(severity: Finding["severity"], { path, message, where }: BootstrapProblem): Finding {
  const place = where.text === "" ? where.file : where;
  return { severity, what: path === "" ? message : `${path}: ${message}`, where: place };
}
