/** `weft run`: registers a workload, runs its proxy and its command, and takes both down in the right order. */
import { type Clock, delay, type Logger } from "../../base/index.ts";
import { keepLease, type LeaseKeeper } from "../../kube/client/index.ts";
import { handoverVariable } from "../capture/addresses.ts";
import type { EnvoyBinary } from "../envoy/index.ts";
import { Problem } from "../problem/index.ts";
import { type RunningCommand, startCommand } from "./command.ts";
import { drainSidecar } from "./drain.ts";
import { applicationEnvironment } from "./environment.ts";
import { allot, type Instance, type InstanceOptions, openInstance } from "./instance.ts";
import { type LastGood, saveLastGood } from "./last-good.ts";
import { limits } from "./limits.ts";
import { listensWide, socketTables } from "./listening.ts";
import { endOrphan, forgetCommand, noteCommand } from "./orphan.ts";
import { applicationProbe, type Prober, startProbing } from "./probe.ts";
import { type SidecarProxy, startSidecarProxy } from "./proxy.ts";
import type { Registration } from "./register.ts";
import { Registrar } from "./registrar.ts";
import { type ControlPlaneAddress, findControlPlane } from "./trust.ts";

export interface SidecarOptions extends InstanceOptions {
  readonly readyPath?: string;
  readonly concurrency?: number;
  /** Empty: no command; the application is somebody else's process. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly createWorker: () => Worker;
  /** This Envoy is the proxy; absent: Weft's own. */
  readonly envoy?: EnvoyBinary;
  /** Access log lines for standard output; default: this process's. */
  readonly accessLog?: (text: string) => void;
  readonly weftVersion: string;
}

export interface Sidecar {
  readonly registration: Registration;
  readonly proxy: SidecarProxy;
  /** URL of the forward proxy, credential included. */
  readonly proxyUrl: string;
  /** The application is ready and the API server was told (or is away): the mesh may send it requests. */
  readonly ready: Promise<void>;
  /** Exit status of the command; without one it never resolves before stop. */
  readonly exited: Promise<number>;
  /** Drains and stops, as DESIGN section 6 orders it; resolves with the command's exit status. */
  stop(signal?: NodeJS.Signals): Promise<number>;
  /** Kills the command at once; for a user who does not want to wait. */
  kill(): void;
}

/**
 * Starts a sidecar; resolves when its command runs. While API server and control plane are away, one that ran before
 * starts from its last good configuration and certificate, and registers when they are back.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { client, clock, rng, log } = options;
  const undo: (() => unknown)[] = [];
  const revert = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    const state = openInstance(options);
    undo.push(() => state.release());
    await endOrphan(state.dir, clock, log);
    const instance = await allot(options, state);
    const { registration } = instance;
    undo.push(() => instance.release());
    const registrar = new Registrar({ client, registration, clock, rng, log: log.child("register") });
    undo.push(() => registrar.leave());
    const plane = await introduce(options, instance, registrar);
    registrar.start();
    let nudge = (): void => {};
    const lease = startLease(options, registration, registrar, () => nudge());
    undo.push(() => lease.release());
    const password = Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString("base64url");
    const health = { appReady: false };
    const proxy = await startSidecarProxy({
      ...options,
      registration,
      plane,
      onPlaneMoved: (now) => keep(state.dir, { plane: now, registration }, log),
      proxyCredential: password,
      stateDir: state.dir,
      resume: instance.lastGood !== undefined,
      appReady: () => health.appReady,
      version: options.weftVersion,
    });
    undo.push(() => proxy.stop());
    nudge = () => proxy.xds.nudge();
    await proxyReady(proxy, clock);
    keep(state.dir, { plane, registration }, log);
    const parts = { options, registration, registrar, proxy, lease, health, password, revert };
    const running = new Running({ ...parts, stateDir: state.dir });
    running.start();
    return running;
  } catch (error) {
    await revert();
    throw error;
  }
}

/** Registers and finds the control plane. With something to start from, nobody's absence stops this. */
async function introduce(
  { client, clock, log }: SidecarOptions,
  { registration, lastGood, alone }: Instance,
  registrar: Registrar,
): Promise<ControlPlaneAddress> {
  if (alone && lastGood !== undefined) return lastGood.plane;
  try {
    await registrar.register();
    return await findControlPlane(client, registration.namespace, clock, lastGood?.plane);
  } catch (error) {
    if (lastGood === undefined) throw error;
    log.warn("the API server is of no help; starting from the last good configuration", {
      error: String(error),
    });
    return lastGood.plane;
  }
}

function startLease(
  options: SidecarOptions,
  r: Registration,
  registrar: Registrar,
  nudge: () => void,
): LeaseKeeper {
  const { client, clock, rng, log } = options;
  return keepLease(client, {
    namespace: r.namespace,
    name: r.lease,
    holder: `${r.workload} (pid ${process.pid})`,
    labels: { "weft.dev/managed": "true" },
    // The control plane removes the Lease of an instance that it takes for dead, and its WorkloadEntry.
    onLost: () => registrar.lost(),
    // With the API server the control plane is likely back; not all sidecars go there in the same moment.
    onAgain: () => clock.after(limits.nudgeSpreadMs * rng.float(), nudge),
    clock,
    log: log.child("lease"),
  });
}

/** A disk that is full must not stop a sidecar that runs. */
function keep(stateDir: string, lastGood: LastGood, log: Logger): void {
  try {
    saveLastGood(stateDir, lastGood);
  } catch (error) {
    log.warn("where the control plane is could not be written down", { error: String(error) });
  }
}

async function proxyReady(proxy: SidecarProxy, clock: Clock): Promise<void> {
  const late = Symbol("late");
  const limit = new AbortController();
  const first = await Promise.race([
    proxy.ready,
    delay(clock, limits.startMs, limit.signal).then(
      () => late,
      () => undefined,
    ),
  ]);
  limit.abort();
  if (first !== late) return;
  const { state, lastError } = proxy.xds.status();
  throw new Problem(`the proxy was not ready within ${limits.startMs / 1000} s`, {
    why: [`xDS: ${state}`, lastError, ...proxy.plane.unready()].filter(Boolean).join("; "),
    mend: "`weft proxy-status` shows what the control plane sees",
  });
}

interface Parts {
  readonly options: SidecarOptions;
  readonly registration: Registration;
  readonly registrar: Registrar;
  readonly stateDir: string;
  readonly proxy: SidecarProxy;
  readonly lease: LeaseKeeper;
  readonly health: { appReady: boolean };
  readonly password: string;
  readonly revert: () => Promise<void>;
}

class Running implements Sidecar {
  readonly registration: Registration;
  readonly proxy: SidecarProxy;
  readonly proxyUrl: string;
  readonly ready: Promise<void>;
  readonly exited: Promise<number>;
  private readonly parts: Parts;
  private readonly becameReady = Promise.withResolvers<void>();
  private readonly ended = Promise.withResolvers<number>();
  private command: RunningCommand | undefined;
  private prober: Prober | undefined;
  private stopping: Promise<number> | undefined;
  private told = false;
  private served = true;
  private offPlane = (): void => {};

  constructor(parts: Parts) {
    this.parts = parts;
    this.registration = parts.registration;
    this.proxy = parts.proxy;
    this.proxyUrl = `http://weft:${parts.password}@${parts.registration.address}:15001`;
    this.ready = this.becameReady.promise;
    this.exited = this.ended.promise;
  }

  start(): void {
    const { options, registration: r, password } = this.parts;
    if (options.command.length > 0) {
      // What this machine joined by is not the application's.
      const { WEFT_JOIN: _secret, [handoverVariable]: _capture, ...base } = options.env;
      const own = this.proxy.plane.environment?.(base);
      const explicit = { base, appPort: r.appPort, proxyHost: r.address, proxyPort: 15_001 };
      const env = own ?? applicationEnvironment({ ...explicit, credential: { user: "weft", password } });
      const command = options.capture?.wrap(options.command) ?? options.command;
      this.command = startCommand({ command, env, cwd: options.cwd, clock: options.clock });
      const { stateDir } = this.parts;
      noteCommand(stateDir, this.command.pid);
      void this.command.exited.then((status) => {
        forgetCommand(stateDir);
        // A command that dies takes its sidecar along: there is nothing left to serve.
        void this.stop();
        this.ended.resolve(status);
      });
    }
    this.offPlane = this.proxy.plane.on(() => this.reconsider());
    this.prober = startProbing({
      clock: options.clock,
      probe: applicationProbe(r.appPort, options.readyPath, options.proxyless ? r.address : undefined),
      onChange: (ready) => void this.tellReady(ready),
    });
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    this.stopping ??= this.takeDown(signal);
    return this.stopping;
  }

  kill(): void {
    this.command?.kill();
  }

  private async tellReady(ready: boolean): Promise<void> {
    const { options, registration: r, registrar, health } = this.parts;
    health.appReady = ready;
    options.log[ready ? "info" : "warn"](ready ? "the application is ready" : "the application is not ready");
    if (ready && !this.told) {
      this.told = true;
      if (!options.proxyless && options.capture === undefined && listensWide(r.appPort, await socketTables()))
        options.log.warn(
          `the application listens on port ${r.appPort} of every address: callers can go around the mesh there`,
          { mend: "let it listen on 127.0.0.1" },
        );
    }
    const told = registrar.setReady(ready && this.served);
    if (!ready) return;
    // Alone, it serves those who know it from before.
    if (registrar.registered) await told;
    this.becameReady.resolve();
  }

  /** A proxy that is gone takes its endpoint out of the mesh until it is back. */
  private reconsider(): void {
    const { registrar, health } = this.parts;
    const serving = this.proxy.plane.serving();
    if (serving === this.served) return;
    this.served = serving;
    if (health.appReady) void registrar.setReady(serving);
  }

  private async takeDown(signal: NodeJS.Signals): Promise<number> {
    const { options, registration: r, registrar, lease, revert } = this.parts;
    this.prober?.stop();
    this.offPlane();
    const status = await drainSidecar({
      client: options.client,
      registration: r,
      registrar,
      agent: this.proxy.plane,
      command: this.command,
      signal,
      clock: options.clock,
      log: options.log,
    });
    await lease.release();
    await revert();
    this.ended.resolve(status);
    return status;
  }
}
