/** `weft dev`: API server, control plane and CA in one process, all on loopback. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Clock, Logger, Rng } from "../../base/index.ts";
import { type ApiServer, startApiServer } from "../../kube/apiserver/index.ts";
import { createKubeClient, type KubeClient, loadKubeconfig } from "../../kube/client/index.ts";
import type { TranslateOptions } from "../../mesh/translate/index.ts";
import { AddressInUseError, lockAddress } from "../../wire/socket/index.ts";
import { type ControlPlanePorts, type Plane, startControlPlane } from "../control-plane/index.ts";
import { exitStatus, Problem } from "../problem/index.ts";
import { meshAdmission } from "./admission.ts";

export interface DevOptions {
  readonly dataDir: string;
  /** Undefined: 6443, or a free one where that is taken. */
  readonly apiPort?: number | undefined;
  readonly ports: ControlPlanePorts;
  /** Where no PeerAuthentication says otherwise; default strict. */
  readonly defaultMtls?: "strict" | "permissive";
  /** Longest life of a certificate of the mesh; default 90 days. */
  readonly certificateTtlMs?: number;
  readonly storeWorker: () => Worker;
  /** Of this program. */
  readonly version?: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

export interface Dev {
  readonly url: string;
  readonly kubeconfigPath: string;
  readonly client: KubeClient;
  readonly plane: Plane;
  readonly translate: TranslateOptions;
  stop(): Promise<void>;
}

const usualApiPort = 6443;

/** Starts all of it. A data directory in use, or a port that is taken, is a Problem that names its holder. */
export async function startDev(options: DevOptions): Promise<Dev> {
  const { clock, rng, log } = options;
  const dataDir = resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const translate: TranslateOptions = { defaultMtls: options.defaultMtls ?? "strict" };
  const api = await startApi(options, dataDir, translate);
  try {
    const config = loadKubeconfig({ path: api.kubeconfigPath });
    const client = createKubeClient(config, { clock });
    const plane = await startControlPlane({
      client,
      host: "127.0.0.1",
      ports: options.ports,
      translate,
      ...(options.certificateTtlMs === undefined ? {} : { certificateTtlMs: options.certificateTtlMs }),
      ...(options.version === undefined ? {} : { version: options.version }),
      clock,
      rng,
      log,
    }).catch((error: unknown) => {
      throw explained(error, "the control plane");
    });
    return {
      ...{ url: api.url, kubeconfigPath: api.kubeconfigPath, client, plane, translate },
      async stop() {
        await plane.stop();
        await api.stop();
      },
    };
  } catch (error) {
    await api.stop();
    throw error;
  }
}

/** Bun binds a TLS port that another Bun process has "successfully": the lock says who has it. */
async function startApi(
  options: DevOptions,
  dataDir: string,
  translate: TranslateOptions,
): Promise<ApiServer> {
  const { clock } = options;
  const start = async (port: number): Promise<ApiServer> => {
    const owner = `weft dev --data-dir ${options.dataDir}`;
    const lock = port === 0 ? undefined : await lockAddress({ host: "127.0.0.1", port, owner, clock });
    try {
      const api = await startApiServer({
        dataDir,
        host: "127.0.0.1",
        port,
        clock,
        log: options.log.child("api"),
        storeWorker: options.storeWorker,
        admission: meshAdmission(translate),
        program: `Weft ${options.version ?? "(development)"}`,
      });
      return { ...api, stop: () => api.stop().finally(() => lock?.release()) };
    } catch (error) {
      lock?.release();
      throw error;
    }
  };
  const orElse = async (error: unknown): Promise<ApiServer> => {
    if (options.apiPort === undefined && isPortTaken(error)) return start(0);
    throw error;
  };
  return start(options.apiPort ?? usualApiPort)
    .catch(orElse)
    .catch((error: unknown) => {
      throw explained(error, isPortTaken(error) ? "the API server" : `data directory ${options.dataDir}`);
    });
}

function isPortTaken(error: unknown): boolean {
  return error instanceof AddressInUseError || (error as { code?: string }).code === "EADDRINUSE";
}

function explained(error: unknown, what: string): unknown {
  if (isPortTaken(error))
    return new Problem(`${what}: a port is taken`, {
      why: (error as Error).message,
      mend: "is another `weft dev` running? --api-port, --xds-port and --debug-port name others, 0 takes any",
    });
  if (error instanceof Error && error.message.includes("is in use by"))
    return new Problem(`${what} is used by another process`, {
      why: error.message,
      mend: "stop that process, or name another directory with --data-dir",
      exit: exitStatus.failed,
    });
  return error;
}
