/** The order of going: no new requests, those in flight finish, then the command, and outbound last. */
import { type Clock, delay, type Logger } from "../../base/index.ts";
import { type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import type { RunningCommand } from "./command.ts";
import { limits } from "./limits.ts";
import type { DataPlane } from "./plane.ts";
import { annotate, annotation, type Registration } from "./register.ts";
import type { Registrar } from "./registrar.ts";
import { within } from "./within.ts";

export interface DrainOptions {
  readonly client: KubeClient;
  readonly registration: Registration;
  readonly registrar: Pick<Registrar, "leave" | "stop" | "registered">;
  readonly agent: Pick<DataPlane, "drain">;
  readonly command: RunningCommand | undefined;
  readonly signal: NodeJS.Signals;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Resolves with the command's exit status (0 without one). Never rejects: a sidecar that goes must go. */
export async function drainSidecar(options: DrainOptions): Promise<number> {
  const { registrar, agent, command, clock, log } = options;
  await registrar.stop();
  const gone = command?.exited.then(() => true) ?? Promise.resolve(true);
  const running = command !== undefined && !(await settledNow(gone));
  if (running || command === undefined) {
    if (registrar.registered) await markDraining(options);
    const { forced } = await agent.drain("inbound", limits.drainInboundMs).catch(() => ({ forced: 0 }));
    if (forced > 0) log.warn(`${forced} inbound connections were cut when the drain's time was over`);
  }
  const status = command === undefined ? 0 : await command.stop(options.signal, limits.commandStopMs);
  await agent.drain("outbound", limits.drainOutboundMs).catch(() => undefined);
  await registrar.leave();
  log.debug("drained", { wall: clock.wall() });
  return status;
}

async function settledNow(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

/** Tells the mesh, then waits until the control plane says that every proxy knows, at most 5 s. */
async function markDraining({ client, registration: r, clock, log }: DrainOptions): Promise<void> {
  try {
    await within(clock, limits.askApiMs, (signal) =>
      annotate(client, r, annotation.draining, "true", signal),
    );
  } catch (error) {
    log.warn("draining could not be told to the API server", { error: String(error) });
    return;
  }
  const end = clock.now() + limits.drainAckMs;
  while (clock.now() < end) {
    const entry = await within(clock, limits.askApiMs, (signal) =>
      client.get<KubeObject>(refs.workloadEntry, r.workload, r.namespace, { signal }),
    ).catch(() => undefined);
    if (entry === undefined || entry.metadata.annotations?.[annotation.drained] === "true") return;
    await delay(clock, limits.drainPollMs);
  }
}
