/** HARDENING F10: instances of a service are stopped and started again, one after the other, under load. */
import { refs } from "../../src/kube/client/index.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";
import { createMesh, type Member } from "./processes.ts";

export interface RollingOptions {
  readonly perSecond: number;
  readonly restarts: number;
  readonly say?: (line: string) => void;
}

export interface RollingResult {
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  /** From SIGTERM to the end of `weft run`, and from its start until callers were answered by it; ms. */
  readonly stopMs: readonly number[];
  readonly startMs: readonly number[];
}

const url = encodeURIComponent("http://versions:9080/");

async function stats(caller: Member): Promise<RollingResult & { bodies: Readonly<Record<string, number>> }> {
  return JSON.parse(await caller.tell("/stats?fresh=1"));
}

/** Until the caller is answered by this instance; its words are the service and version. */
async function answeredBy(caller: Member, member: Member): Promise<void> {
  const words = member.name.replace("-", " ");
  await stats(caller);
  await eventually(async () => Object.keys((await stats(caller)).bodies).includes(words), 30_000);
}

export async function runRolling(options: RollingOptions): Promise<RollingResult> {
  const mesh = createMesh();
  try {
    await mesh.startDev();
    const [caller, ...instances] = (await Promise.all([
      mesh.add("caller", "v1"),
      mesh.add("versions", "v1"),
      mesh.add("versions", "v2"),
    ])) as [Member, Member, Member];
    await eventually(async () => (await caller.tell(`/get?url=${url}`)).startsWith("200 "), 20_000);
    await caller.tell(`/load?url=${url}&rate=${options.perSecond}`);
    for (const instance of instances) await answeredBy(caller, instance);
    const stopMs: number[] = [];
    const startMs: number[] = [];
    for (let n = 0; n < options.restarts; n++) {
      const instance = instances[n % instances.length]!;
      let began = performance.now();
      instance.process.kill("SIGTERM");
      await instance.process.exited;
      stopMs.push(performance.now() - began);
      const { items } = await mesh.client.listAll(refs.workloadEntry, { namespace: "default" });
      if (items.some((e) => e.metadata.name.startsWith(`${instance.name}-`)))
        throw new Error(`${instance.name} ended and left its WorkloadEntry`);
      began = performance.now();
      instance.start();
      await answeredBy(caller, instance);
      startMs.push(performance.now() - began);
      options.say?.(
        `${instance.name}: stopped in ${stopMs.at(-1)!.toFixed(0)} ms, served again after ${startMs.at(-1)!.toFixed(0)} ms`,
      );
    }
    await caller.tell("/stop");
    const { sent, statuses, failures } = await eventually(async () => {
      const now = await stats(caller);
      const answered = Object.values(now.statuses).reduce((a, b) => a + b, 0);
      return answered === now.sent ? now : undefined;
    });
    return { sent, statuses, failures, stopMs, startMs };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${mesh.logs()}`, { cause: error });
  } finally {
    await mesh.stop();
  }
}
