/** Which instance this is: its state folder, its address and its port, as before where that is possible. */
import { join } from "node:path";
import type { Clock, Logger, Rng } from "../../base/index.ts";
import { type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { allotPort } from "./app-port.ts";
import type { Capture } from "./capture.ts";
import { type LastGood, loadLastGood, recall } from "./last-good.ts";
import { limits } from "./limits.ts";
import type { Registration } from "./register.ts";
import {
  allotAddress,
  type Hold,
  type InstanceState,
  machineHold,
  openFreeState,
  openState,
} from "./state.ts";
import { within } from "./within.ts";

export interface InstanceOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly service: string;
  readonly version?: string;
  /** The service's port. */
  readonly port: number;
  /** The application's own port on 127.0.0.1; 0 or absent: the one of its last life, else a free one. */
  readonly appPort?: number;
  /** A gRPC application that needs no proxy: it listens on the published port itself, mutual TLS included. */
  readonly proxyless?: boolean;
  /** Connections come by redirect rules: the application has the published port itself. */
  readonly capture?: Capture;
  readonly serviceAccount?: string;
  readonly address?: string;
  /** Exactly this state folder; absent: the first free one below `stateRoot`. */
  readonly stateDir?: string;
  readonly stateRoot: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly hold?: Hold;
}

export interface Instance {
  readonly registration: Registration;
  /** What it can serve from without anybody's help; undefined where there is nothing of use. */
  readonly lastGood: LastGood | undefined;
  /** The API server did not answer: the instance is as it was last. */
  readonly alone: boolean;
  /** Gives address and port back. */
  release(): void;
}

export function openInstance(options: InstanceOptions): InstanceState {
  const hold = options.hold ?? machineHold;
  if (options.stateDir !== undefined) return openState(options.stateDir, options.rng, hold);
  const name = `${options.service}-${options.version ?? "latest"}`;
  return openFreeState(join(options.stateRoot, options.namespace, name), options.rng, hold);
}

interface WorkloadEntry extends KubeObject {
  readonly spec: { readonly address?: string };
}

/** Decides who this is. Rejects where the API server is away and nothing was kept. */
export async function allot(options: InstanceOptions, state: InstanceState): Promise<Instance> {
  const { service, version, namespace, log, clock } = options;
  const workload = [service, version, state.identity.suffix].filter(Boolean).join("-");
  const { proxyless = false, port } = options;
  const hold = options.hold ?? machineHold;
  const { capture } = options;
  const given = proxyless || capture !== undefined ? port : options.appPort;
  const held = given
    ? { port: given, release() {} }
    : await allotPort({ last: lastPort(state.dir), clock, rng: options.rng, hold });
  const appPort = held.port;
  const wanted = {
    ...{ namespace, service, version, workload, port, appPort },
    ...(proxyless && { meshPort: port }),
    ...(capture?.adminAddress !== undefined && { adminAddress: capture.adminAddress }),
    serviceAccount: options.serviceAccount ?? service,
  };
  const kept = recall(
    state.dir,
    { ...wanted, ...(options.address === undefined ? {} : { address: options.address }) },
    clock.wall(),
  );
  const lastGood = "reason" in kept ? undefined : kept;
  const taken = await takenAddresses(options, workload, lastGood !== undefined).catch((error: Error) => {
    if (lastGood === undefined) {
      log.info("there is nothing to start from without the API server", { reason: reasonOf(kept) });
      throw error;
    }
    log.warn("the API server is away; starting from the last good configuration", { error: error.message });
    return undefined;
  });
  const { address, release } = allotAddress({
    wanted: taken === undefined ? lastGood?.registration.address : options.address,
    taken: taken ?? new Set(),
    state,
    rng: options.rng,
    hold,
  });
  const same = lastGood?.registration.address === address ? lastGood : undefined;
  const registration: Registration = { ...wanted, address, lease: `weft-${workload}` };
  return {
    registration,
    lastGood: same,
    alone: taken === undefined,
    release: () => {
      release();
      held.release();
    },
  };
}

const reasonOf = (kept: LastGood | { readonly reason: string }): string =>
  "reason" in kept ? kept.reason : "";

/** Addresses of other workloads. Where there is something to go on with, the answer is not waited for long. */
export async function takenAddresses(
  options: Pick<InstanceOptions, "client" | "clock" | "namespace">,
  workload: string,
  brief: boolean,
): Promise<ReadonlySet<string>> {
  const { client, clock, namespace } = options;
  const list = (signal?: AbortSignal) =>
    client
      .listAll<WorkloadEntry>(refs.workloadEntry, signal === undefined ? {} : { signal })
      .catch((error: unknown) => {
        // An account bound to its namespace sees only what is there; the machine's own holds do the rest.
        if ((error as { status?: unknown }).status !== 403) throw error;
        return client.listAll<WorkloadEntry>(refs.workloadEntry, {
          namespace,
          ...(signal === undefined ? {} : { signal }),
        });
      });
  const { items } = brief ? await within(clock, limits.askApiMs, list) : await list();
  return new Set(
    items
      .filter((e) => e.metadata.name !== workload || e.metadata.namespace !== namespace)
      .map((e) => e.spec.address ?? ""),
  );
}

function lastPort(stateDir: string): number | undefined {
  const kept = loadLastGood(stateDir);
  return "reason" in kept ? undefined : kept.registration.appPort;
}
