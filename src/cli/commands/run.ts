import { keepCodeSmall } from "../../app/code-pages/index.ts";
import { findEnvoy } from "../../app/envoy/index.ts";
import { setUpLogging } from "../../app/logging/index.ts";
import { exitStatus, Problem } from "../../app/problem/index.ts";
import { defaultStateRoot, type Sidecar, startSidecar } from "../../app/sidecar/index.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { stopSignal } from "../signals.ts";
import { openRunSession } from "../upkeep/join.ts";

export interface RunFlags extends ClientFlags {
  readonly join?: string;
  readonly service?: string;
  readonly version?: string;
  readonly port?: number;
  readonly appPort?: number;
  readonly serviceAccount?: string;
  readonly readyPath?: string;
  readonly address?: string;
  readonly stateDir?: string;
  readonly concurrency?: number;
  readonly proxy?: "weft" | "envoy" | "grpc";
  readonly envoyPath?: string;
  readonly logLevel?: string;
  readonly logFormat?: "json" | "text";
}

/** `weft run`: the exit status is the command's. */
export async function run(this: CliContext, flags: RunFlags, ...command: string[]): Promise<void> {
  const usage = (what: string): never => {
    const mend = "for example: weft run --service reviews --version v2 --port 9080 -- node server.js";
    throw new Problem(what, { mend, exit: exitStatus.usage });
  };
  const { service, port } = flags;
  if (service === undefined || port === undefined) return usage("--service and --port are required");
  if (command.length === 0) return usage("there is no command after --");
  const log = setUpLogging(flags).child("run", { service });
  const session = await openRunSession(this, flags, log);
  const { client, namespace } = session;
  const {
    service: _,
    port: __,
    kubeconfig: ___,
    namespace: ____,
    join,
    logLevel,
    logFormat,
    ...others
  } = flags;
  const { proxy, envoyPath, ...rest } = others;
  if (envoyPath !== undefined && proxy !== "envoy") return usage("--envoy-path goes with --proxy envoy");
  const proxyless = proxy === "grpc";
  if (proxyless && (flags.appPort !== undefined || flags.readyPath !== undefined))
    return usage(
      "--app-port and --ready-path are for applications behind a proxy: this one has its port itself",
    );
  const envoy = proxy === "envoy" ? findEnvoy({ path: envoyPath, env: this.env }) : undefined;
  let running: Sidecar | undefined;
  const stop = stopSignal(() => {
    running?.kill();
    process.exit(130);
  });
  const sidecar = await startSidecar({
    ...rest,
    ...(envoy && { envoy }),
    ...(proxyless && { proxyless }),
    ...(session.serviceAccount === undefined ? {} : { serviceAccount: session.serviceAccount }),
    client,
    namespace,
    service,
    port,
    command,
    stateRoot: defaultStateRoot(this.env),
    cwd: this.cwd,
    env: this.env,
    createWorker: this.workers.data,
    weftVersion: this.version,
    clock: this.clock,
    rng: this.rng,
    log,
  });
  running = sidecar;
  const { address, workload } = sidecar.registration;
  log.info(`${workload} is at ${address}:${port}`, { ready: `http://${address}:15021/healthz/ready` });
  const code = keepCodeSmall(this.clock, log);
  void stop.first.then((signal) => sidecar.stop(signal));
  session.keeper?.start();
  await sidecar.exited;
  code.cancel();
  this.exit.status = await sidecar.stop();
  session.keeper?.stop();
  stop.end();
}
