/** `make garbage`: 1,000 seeded garbage connections to each port while one stream takes pushes. */
import { runGarbage } from "./garbage.ts";

const connections = Number(process.argv[2] ?? 1_000);
const seed = Number(process.argv[3] ?? 1);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const result = await runGarbage({ connections, warmUp: connections, seed, say });
say(
  `${result.pushes} pushes, ${result.missed.length} missed, the slowest after ${result.slowestPushMs.toFixed(0)} ms`,
);
let grown = false;
for (const [name, { before, peak, after }] of Object.entries(result.memory)) {
  say(
    `${name}: ${before.toFixed(1)} MiB before, ${peak.toFixed(1)} at its highest, ${after.toFixed(1)} after`,
  );
  grown ||= after - before >= 20;
}
for (const fault of [...result.missed, ...result.faults]) say(`fault: ${fault}`);
const ok = !grown && result.missed.length === 0 && result.faults.length === 0;
say(`${ok ? "nobody minded" : "not as promised"}, ${result.seconds.toFixed(0)} s`);
process.exitCode = ok ? 0 : 1;
