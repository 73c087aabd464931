/** A whole mesh in this process: API server, control plane, sidecars; applications are functions of requests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Dev, startDev } from "../app/dev/index.ts";
import type { EnvoyBinary } from "../app/envoy/index.ts";
import { type Sidecar, startSidecar } from "../app/sidecar/index.ts";
import { type Clock, createLogger, delay, systemClock, systemRng } from "../base/index.ts";
import { applyText } from "./manifest.ts";

export type Application = (request: Request) => Response | Promise<Response>;

export interface WorkloadOptions {
  readonly service: string;
  readonly version?: string;
  readonly app?: Application;
  /** Data threads; default 1. */
  readonly concurrency?: number;
  readonly serviceAccount?: string;
  /** The proxy is this Envoy; absent: Weft's own. */
  readonly envoy?: EnvoyBinary;
  /** Takes access log lines that go to standard output. */
  readonly accessLog?: (text: string) => void;
}

export interface MeshWorkload {
  readonly sidecar: Sidecar;
  readonly address: string;
  /** Replaces the application. */
  setApp(app: Application): void;
  /** A request by this workload through its proxy. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

export interface MeshHarness {
  readonly dev: Dev;
  readonly dir: string;
  /** Applies a manifest text; what was refused or warned of comes back as texts. */
  apply(text: string): Promise<readonly string[]>;
  /** Stops API server and control plane, and starts them again on the same ports and data. */
  restart(meanwhile: () => Promise<void>): Promise<void>;
  /** Starts a workload; resolves when it is ready and its callers may know it. */
  add(options: WorkloadOptions): Promise<MeshWorkload>;
  stop(): Promise<void>;
}

const log = createLogger({ format: "json", sink: () => {} });

/** Asks again until there is an answer; rejects with the last error when `limitMs` (default 10 s) is over. */
export async function eventually<T>(
  probe: () => Promise<T | undefined | false>,
  limitMs = 10_000,
): Promise<T> {
  const end = systemClock.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    if (systemClock.now() >= end) throw last ?? new Error(`not within ${limitMs} ms`);
    await delay(systemClock, 10);
  }
}

/** Starts the control plane's side; nothing outlives stop(). */
export async function startMesh(
  options: { defaultMtls?: "strict" | "permissive"; clock?: Clock; certificateTtlMs?: number } = {},
): Promise<MeshHarness> {
  const dir = mkdtempSync(join(tmpdir(), "weft-mesh-"));
  const start = (ports: { api: number; xds: number; plainXds: number; debug: number }): Promise<Dev> =>
    startDev({
      dataDir: join(dir, "data"),
      apiPort: ports.api,
      ports,
      clock: systemClock,
      ...options,
      storeWorker: () => new Worker(new URL("../store-worker.ts", import.meta.url)),
      rng: systemRng,
      log,
    });
  let dev = await start({ api: 0, xds: 0, plainXds: 0, debug: 0 });
  const workloads: MeshWorkload[] = [];
  let count = 0;
  return {
    get dev() {
      return dev;
    },
    dir,
    async restart(meanwhile) {
      const port = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));
      const { url, plane } = dev;
      await dev.stop();
      await meanwhile();
      dev = await start({
        api: port(url),
        xds: port(plane.xdsAddress),
        plainXds: port(plane.plainXdsAddress ?? ":0"),
        debug: port(plane.debugAddress),
      });
    },
    apply: (text) => applyText(dev.client, text),
    async add(workload) {
      const added = await startWorkload(dev, join(dir, `state-${count++}`), workload);
      workloads.push(added);
      return added;
    },
    async stop() {
      await Promise.all(workloads.map((w) => w.stop()));
      await dev.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function startWorkload(dev: Dev, stateDir: string, options: WorkloadOptions): Promise<MeshWorkload> {
  let app: Application = options.app ?? (() => new Response("ok\n"));
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: (request) => (request.url.endsWith("/healthz") ? new Response("ok\n") : app(request)),
  });
  const sidecar = await startSidecar({
    client: dev.client,
    namespace: "default",
    service: options.service,
    ...(options.version === undefined ? {} : { version: options.version }),
    ...(options.serviceAccount === undefined ? {} : { serviceAccount: options.serviceAccount }),
    port: 9080,
    appPort: server.port ?? 0,
    readyPath: "/healthz",
    stateDir,
    stateRoot: stateDir,
    concurrency: options.concurrency ?? 1,
    ...(options.envoy && { envoy: options.envoy }),
    ...(options.accessLog && { accessLog: options.accessLog }),
    command: [],
    cwd: stateDir,
    env: {},
    createWorker: () => new Worker(new URL("../worker.ts", import.meta.url)),
    weftVersion: "test",
    clock: systemClock,
    rng: systemRng,
    log,
  });
  await sidecar.ready;
  let stopping: Promise<void> | undefined;
  return {
    sidecar,
    address: sidecar.registration.address,
    setApp(next) {
      app = next;
    },
    fetch: (url, init) => fetch(url, { ...init, proxy: sidecar.proxyUrl }),
    stop() {
      stopping ??= sidecar.stop().then(() => server.stop(true));
      return stopping;
    },
  };
}
