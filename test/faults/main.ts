/** `make crash`, `make outage` and `make rolling`: the long forms of this folder's tests, with figures. */
import { parseArgs } from "node:util";
import { runCrashes } from "./crash.ts";
import { runOutage } from "./outage.ts";
import type { Victim } from "./processes.ts";
import { runRolling } from "./rolling.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    rate: { type: "string", default: "200" },
    rounds: { type: "string", default: "8" },
    away: { type: "string", default: "60" },
    after: { type: "string", default: "15" },
    restarts: { type: "string", default: "20" },
    victim: { type: "string", default: "both" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function crash(): Promise<boolean> {
  const seed = Number(values.seed);
  const r = await runCrashes({ kills: Number(values.kills), seed, writers: 8, say });
  say(
    `${r.kills} kills (seed ${seed}) in ${r.seconds.toFixed(0)} s: ${r.acknowledged} writes acknowledged, ${r.unknown} cut off ` +
      `of which ${r.happened} had happened; the watch delivered ${r.watched} events; slowest start ${r.slowestStartMs.toFixed(0)} ms`,
  );
  for (const fault of r.faults) say(`fault: ${fault}`);
  say(
    r.faults.length === 0
      ? "every acknowledged write is there, versions never went back"
      : `${r.faults.length} faults`,
  );
  return r.faults.length === 0;
}

async function outage(): Promise<boolean> {
  const r = await runOutage({
    perSecond: Number(values.rate),
    rounds: Number(values.rounds),
    awaySeconds: Number(values.away),
    afterSeconds: Number(values.after),
    victim: values.victim as Victim,
    say,
  });
  say(
    `${r.sent} requests, statuses ${JSON.stringify(r.statuses)}; endpoints known: never fewer than ${r.fewestEndpoints} of 2 in ${r.looks} looks`,
  );
  for (const failure of r.failures) say(`failed: ${failure}`);
  const ok = r.statuses["200"] === r.sent && r.fewestEndpoints === 2;
  say(ok ? "no request failed, nobody was withdrawn" : "not as promised");
  return ok;
}

const mean = (list: readonly number[]): string =>
  (list.reduce((a, b) => a + b, 0) / Math.max(1, list.length)).toFixed(0);

async function rolling(): Promise<boolean> {
  const r = await runRolling({ perSecond: Number(values.rate), restarts: Number(values.restarts), say });
  say(
    `${r.sent} requests, statuses ${JSON.stringify(r.statuses)}; ${r.stopMs.length} restarts, ` +
      `stopped in ${mean(r.stopMs)} ms, served again after ${mean(r.startMs)} ms on average`,
  );
  for (const failure of r.failures) say(`failed: ${failure}`);
  const ok = r.statuses["200"] === r.sent;
  say(ok ? "no request failed" : "not as promised");
  return ok;
}

const runs: Readonly<Record<string, () => Promise<boolean>>> = { crash, outage, rolling };
process.exitCode = (await runs[positionals[0] ?? ""]?.()) ? 0 : 1;
