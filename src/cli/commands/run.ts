import { enterCapture } from "../../app/capture/index.ts";
import { keepCodeSmall } from "../../app/code-pages/index.ts";
import { findEnvoy } from "../../app/envoy/index.ts";
import { setUpLogging } from "../../app/logging/index.ts";
import { exitStatus, Problem } from "../../app/problem/index.ts";
import { defaultStateRoot, type Sidecar, startSidecar } from "../../app/sidecar/index.ts";
import { ruleFlagsOf } from "../capture/flags.ts";
import type { RunFlags } from "../capture/run-flags.ts";
import { runTransparent } from "../capture/transparent.ts";
import type { CliContext } from "../context.ts";
import { stopSignal } from "../signals.ts";
import { openRunSession } from "../upkeep/join.ts";

export type { RunFlags };

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
  const how = capturing(flags, usage);
  if (how === "transparent") return runTransparent(this, { ...flags, service, port }, command, log);
  let leave = (): void => {};
  const captured =
    how === "captured"
      ? await enterCapture({
          ...{ env: this.env, clock: this.clock, log, onAlone: () => leave() },
          ...(flags.address !== undefined && { address: flags.address }),
        })
      : undefined;
  const session = await openRunSession(this, flags, log);
  captured?.capture.expose?.(session.client.config.server);
  const { client, namespace } = session;
  const { proxy, envoyPath } = flags;
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
    ...passedOn(flags),
    ...(envoy && { envoy }),
    ...(proxyless && { proxyless }),
    ...(captured && { capture: captured.capture, address: captured.address }),
    ...(session.serviceAccount === undefined ? {} : { serviceAccount: session.serviceAccount }),
    ...{ client, namespace, service, port, command },
    stateRoot: defaultStateRoot(this.env),
    cwd: this.cwd,
    env: this.env,
    createWorker: this.workers.data,
    weftVersion: this.version,
    ...{ clock: this.clock, rng: this.rng, log },
  });
  running = sidecar;
  // Without the process outside nothing can be reached: the command is ended in good order.
  leave = () => void sidecar.stop();
  const { address, workload } = sidecar.registration;
  log.info(`${workload} is at ${address}:${port}`, { ready: `http://${address}:15021/healthz/ready` });
  const code = keepCodeSmall(this.clock, log);
  void stop.first.then((signal) => sidecar.stop(signal));
  session.keeper?.start();
  await sidecar.exited;
  code.cancel();
  this.exit.status = await sidecar.stop();
  captured?.stop();
  session.keeper?.stop();
  stop.end();
}

/** What the sidecar itself is told. */
function passedOn(flags: RunFlags) {
  const { version, appPort, serviceAccount, readyPath, address, stateDir, concurrency } = flags;
  return {
    ...(version !== undefined && { version }),
    ...(appPort !== undefined && { appPort }),
    ...(serviceAccount !== undefined && { serviceAccount }),
    ...(readyPath !== undefined && { readyPath }),
    ...(address !== undefined && { address }),
    ...(stateDir !== undefined && { stateDir }),
    ...(concurrency !== undefined && { concurrency }),
  };
}

/** Which way connections come to the proxy; what does not go together is a mistake of the command line. */
function capturing(flags: RunFlags, usage: (what: string) => never): "transparent" | "captured" | "explicit" {
  const { transparent = false, captured = false } = flags;
  const [rule] = Object.keys(ruleFlagsOf(flags));
  if (rule !== undefined && !transparent)
    return usage("what is captured can be chosen with --transparent only");
  if (!transparent && !captured) return "explicit";
  if (transparent && captured)
    return usage("--transparent makes the rules, --captured says that they are there");
  if (flags.proxy === "grpc") return usage("--proxy grpc has no proxy that connections could be led to");
  if (flags.appPort !== undefined)
    return usage("--app-port is for applications behind proxy variables: a captured one has --port itself");
  return transparent ? "transparent" : "captured";
}
