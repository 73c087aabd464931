/**
 * API server and control plane are killed under load, a sidecar is killed and started while they are away, and they
 * come back on other ports: no request may fail, nobody may be withdrawn, and changes must arrive again.
 */
import { delay, systemClock } from "../../src/base/index.ts";
import { applyText } from "../../src/testkit/manifest.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";
import { virtualService } from "../e2e/open-loop.ts";
import { createMesh, type Member, type Mesh, type Victim } from "./processes.ts";

export interface OutageOptions {
  readonly perSecond: number;
  /** Kills in a row. */
  readonly rounds: number;
  /** How long nobody answers, and how long it is watched afterwards. */
  readonly awaySeconds: number;
  readonly afterSeconds: number;
  /** Default both. */
  readonly victim?: Victim;
  readonly say?: (line: string) => void;
}

export interface OutageResult {
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  /** From the start of the restarted sidecar until it answered callers, ms; one a round. */
  readonly restartMs: readonly number[];
  /** From the API's answer to a change until the first response by it, after each outage, ms. */
  readonly changeMs: readonly number[];
  /** Fewest endpoints of the service that the caller's proxy knew at any look, of two. */
  readonly fewestEndpoints: number;
  readonly looks: number;
  /** WorkloadEntries at the end. */
  readonly entries: number;
}

const url = encodeURIComponent("http://versions:9080/");

async function bodies(caller: Member): Promise<Readonly<Record<string, number>>> {
  return (JSON.parse(await caller.tell("/stats?fresh=1")) as { bodies: Record<string, number> }).bodies;
}

/** Healthy endpoints of the service as the caller's proxy has them. */
async function endpoints(caller: Member): Promise<number> {
  const page = await (await fetch(`http://${caller.address}:15000/clusters`)).text();
  const cluster = "outbound|9080||versions.default.svc.cluster.local::";
  return page.split("\n").filter((l) => l.startsWith(cluster) && l.endsWith("::health_flags::healthy"))
    .length;
}

/** An outage lasts; what it does to requests is watched meanwhile. */
const pass = (ms: number): Promise<void> => delay(systemClock, ms);

interface Cast {
  readonly mesh: Mesh;
  readonly caller: Member;
  readonly other: Member;
}

/** Kills the other service's sidecar and starts it again; until callers are served, and it can call. */
async function restartAlone({ mesh, caller, other }: Cast): Promise<number> {
  other.process.kill("SIGKILL");
  await other.process.exited;
  const began = performance.now();
  other.start();
  const ask = encodeURIComponent("http://other:9080/healthz");
  let last = "";
  await eventually(async () => {
    if (other.process.exitCode !== null) throw new Error(`it ended:\n${mesh.logs()}`);
    last = await caller.tell(`/get?url=${ask}`);
    return last === "200 other v1";
  }, 20_000).catch((error: unknown) => {
    throw new Error(`the restarted sidecar's callers got: ${last}`, { cause: error });
  });
  const took = performance.now() - began;
  const answer = await other.tell(`/get?url=${url}`);
  if (!answer.startsWith("200 versions")) throw new Error(`the restarted sidecar's own call: ${answer}`);
  return took;
}

async function changed(cast: Cast, version: string): Promise<number> {
  // What was answered before the change counts for nothing.
  await bodies(cast.caller);
  await applyText(cast.mesh.client, virtualService(version));
  const began = performance.now();
  await eventually(
    async () => Object.keys(await bodies(cast.caller)).includes(`versions ${version}`),
    60_000,
  );
  return performance.now() - began;
}

/** Looks at the caller's endpoints until told to stop. */
function watchEndpoints(caller: Member) {
  let fewest = Number.POSITIVE_INFINITY;
  let looks = 0;
  let going = true;
  const done = (async () => {
    while (going) {
      fewest = Math.min(fewest, await endpoints(caller));
      looks++;
      await pass(200);
    }
  })();
  // What ends the run elsewhere ends the looking too.
  done.catch(() => {});
  return {
    async stop() {
      going = false;
      await done;
      return { fewestEndpoints: fewest, looks };
    },
  };
}

export async function runOutage(options: OutageOptions): Promise<OutageResult> {
  const mesh = createMesh(options.victim ?? "both");
  const say = options.say ?? (() => {});
  try {
    await mesh.startDev();
    const [caller, other] = (await Promise.all([
      mesh.add("caller", "v1"),
      mesh.add("other", "v1"),
      mesh.add("versions", "v1"),
      mesh.add("versions", "v2"),
    ])) as [Member, Member, Member, Member];
    const cast = { mesh, caller, other };
    await eventually(async () => (await endpoints(caller)) === 2, 20_000);
    await caller.tell(`/load?url=${url}&rate=${options.perSecond}`);
    await changed(cast, "v1");
    // What was received is kept within a second.
    await pass(1_500);
    const watched = watchEndpoints(caller);
    const restartMs: number[] = [];
    const changeMs: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      await mesh.killDev();
      const killed = performance.now();
      restartMs.push(await restartAlone(cast));
      await pass(Math.max(0, options.awaySeconds * 1000 - (performance.now() - killed)));
      await mesh.startDev();
      const away = (performance.now() - killed) / 1000;
      changeMs.push(await changed(cast, round % 2 === 0 ? "v2" : "v1"));
      await pass(options.afterSeconds * 1000);
      say(
        `round ${round + 1}: away ${away.toFixed(1)} s, the restarted sidecar served after ${restartMs.at(-1)!.toFixed(0)} ms, a change arrived after ${changeMs.at(-1)!.toFixed(0)} ms`,
      );
    }
    const seen = await watched.stop();
    await caller.tell("/stop");
    await pass(500);
    const { sent, statuses, failures } = JSON.parse(await caller.tell("/stats")) as OutageResult;
    const { items } = await mesh.client.list(
      {
        group: "networking.istio.io",
        version: "v1",
        kind: "WorkloadEntry",
        plural: "workloadentries",
        namespaced: true,
      },
      { namespace: "default" },
    );
    return { sent, statuses, failures, restartMs, changeMs, ...seen, entries: items.length };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${mesh.logs()}`, { cause: error });
  } finally {
    await mesh.stop();
  }
}
