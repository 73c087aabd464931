/** `weft run`: registers a workload, runs its proxy and its command, and takes both down in the right order. */
import { join } from "node:path";
import { type Clock, delay, type Logger, type Rng } from "../../base/index.ts";
import {
  type KubeClient,
  type KubeObject,
  keepLease,
  type LeaseKeeper,
  refs,
} from "../../kube/client/index.ts";
import { Problem } from "../problem/index.ts";
import { type RunningCommand, startCommand } from "./command.ts";
import { drainSidecar } from "./drain.ts";
import { applicationEnvironment } from "./environment.ts";
import { limits } from "./limits.ts";
import { listensWide, socketTables } from "./listening.ts";
import { applicationProbe, type Prober, startProbing } from "./probe.ts";
import { type SidecarProxy, startSidecarProxy } from "./proxy.ts";
import { annotate, annotation, type Registration, register, unregister } from "./register.ts";
import {
  allotAddress,
  type Hold,
  type InstanceState,
  machineHold,
  openFreeState,
  openState,
} from "./state.ts";
import { findControlPlane } from "./trust.ts";

export interface SidecarOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly service: string;
  readonly version?: string;
  /** The service's port. */
  readonly port: number;
  /** The application's own port on 127.0.0.1; 0 or absent: a free one. */
  readonly appPort?: number;
  readonly serviceAccount?: string;
  readonly readyPath?: string;
  readonly address?: string;
  /** Exactly this state folder; absent: the first free one below `stateRoot`. */
  readonly stateDir?: string;
  readonly stateRoot: string;
  readonly concurrency?: number;
  /** Empty: no command; the application is somebody else's process. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly createWorker: () => Worker;
  readonly weftVersion: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly hold?: Hold;
}

export interface Sidecar {
  readonly registration: Registration;
  readonly proxy: SidecarProxy;
  /** URL of the forward proxy, credential included. */
  readonly proxyUrl: string;
  /** The application is ready and the mesh may send it requests. */
  readonly ready: Promise<void>;
  /** Exit status of the command; without one it never resolves before stop. */
  readonly exited: Promise<number>;
  /** Drains and stops, as DESIGN section 6 orders it; resolves with the command's exit status. */
  stop(signal?: NodeJS.Signals): Promise<number>;
  /** Kills the command at once; for a user who does not want to wait. */
  kill(): void;
}

/** Starts a sidecar; resolves when its command runs. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { client, clock, log } = options;
  const undo: (() => unknown)[] = [];
  const revert = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    const state = openInstance(options);
    undo.push(() => state.release());
    const { registration, release } = await allot(options, state);
    undo.push(release);
    await register(client, registration);
    undo.push(() => unregister(client, registration).catch(() => {}));
    const lease = keepLease(client, {
      namespace: registration.namespace,
      name: registration.lease,
      holder: `${registration.workload} (pid ${process.pid})`,
      labels: { "weft.dev/managed": "true" },
      clock,
      log: log.child("lease"),
    });
    undo.push(() => lease.release());
    const plane = await findControlPlane(client, registration.namespace, clock);
    const password = Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString("base64url");
    const health = { appReady: false };
    const proxy = await startSidecarProxy({
      ...options,
      registration,
      plane,
      proxyCredential: password,
      stateDir: state.dir,
      appReady: () => health.appReady,
      version: options.weftVersion,
    });
    undo.push(() => proxy.stop());
    await proxyReady(proxy, clock);
    const running = new Running({ options, registration, proxy, lease, health, password, revert });
    running.start();
    return running;
  } catch (error) {
    await revert();
    throw error;
  }
}

function openInstance(options: SidecarOptions): InstanceState {
  const hold = options.hold ?? machineHold;
  if (options.stateDir !== undefined) return openState(options.stateDir, options.rng, hold);
  const name = `${options.service}-${options.version ?? "latest"}`;
  return openFreeState(join(options.stateRoot, options.namespace, name), options.rng, hold);
}

interface WorkloadEntry extends KubeObject {
  readonly spec: { readonly address?: string };
}

async function allot(options: SidecarOptions, state: InstanceState) {
  const { client, namespace, service, version } = options;
  const workload = [service, version, state.identity.suffix].filter(Boolean).join("-");
  const { items } = await client.listAll<WorkloadEntry>(refs.workloadEntry);
  const taken = new Set(
    items
      .filter((e) => e.metadata.name !== workload || e.metadata.namespace !== namespace)
      .map((e) => e.spec.address ?? ""),
  );
  const hold = options.hold ?? machineHold;
  const { address, release } = allotAddress({
    wanted: options.address,
    taken,
    state,
    rng: options.rng,
    hold,
  });
  const registration: Registration = {
    namespace,
    service,
    version,
    serviceAccount: options.serviceAccount ?? service,
    workload,
    address,
    port: options.port,
    appPort: options.appPort || freePort(),
    lease: `weft-${workload}`,
  };
  return { registration, release };
}

/** A port of 127.0.0.1 that is free now. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
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
    why: [`xDS: ${state}`, lastError, ...proxy.agent.unready()].filter(Boolean).join("; "),
    mend: "`weft proxy-status` shows what the control plane sees",
  });
}

interface Parts {
  readonly options: SidecarOptions;
  readonly registration: Registration;
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
      const env = applicationEnvironment({
        base: options.env,
        appPort: r.appPort,
        proxyHost: r.address,
        proxyPort: 15_001,
        credential: { user: "weft", password },
      });
      this.command = startCommand({ command: options.command, env, cwd: options.cwd, clock: options.clock });
      void this.command.exited.then((status) => {
        // A command that dies takes its sidecar along: there is nothing left to serve.
        void this.stop();
        this.ended.resolve(status);
      });
    }
    this.prober = startProbing({
      clock: options.clock,
      probe: applicationProbe(r.appPort, options.readyPath),
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
    const { options, registration: r, health } = this.parts;
    health.appReady = ready;
    options.log[ready ? "info" : "warn"](ready ? "the application is ready" : "the application is not ready");
    if (ready && !this.told) {
      this.told = true;
      if (listensWide(r.appPort, await socketTables()))
        options.log.warn(
          `the application listens on port ${r.appPort} of every address: callers can go around the mesh there`,
          { mend: "let it listen on 127.0.0.1" },
        );
    }
    try {
      await annotate(options.client, r, annotation.ready, String(ready));
      if (ready) this.becameReady.resolve();
    } catch (error) {
      options.log.error("readiness could not be told to the API server", { error: String(error) });
    }
  }

  private async takeDown(signal: NodeJS.Signals): Promise<number> {
    const { options, registration: r, lease, revert } = this.parts;
    this.prober?.stop();
    const status = await drainSidecar({
      client: options.client,
      registration: r,
      agent: this.proxy.agent,
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
