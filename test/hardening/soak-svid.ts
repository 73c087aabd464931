/** `make soak-svid`: certificates that live 60 s, for ten minutes under load. */
import { runSvids } from "./svids.ts";

const [seconds = 600, ttlSeconds = 60, perSecond = 100] = process.argv.slice(2).map(Number);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const result = await runSvids({ seconds, ttlSeconds, perSecond, say });
say(
  `${result.sent} requests, statuses ${JSON.stringify(result.statuses)}, ${result.handshakes} mutual TLS connections`,
);
say(`${result.calls} calls to the gRPC port, each over a new connection`);
/** One renewal each half life, less the first and the last. */
const least = Math.floor(seconds / (ttlSeconds / 2)) - 2;
let late = false;
for (const [name, { different, leastSecondsLeft }] of Object.entries(result.shown)) {
  say(`${name}: ${different} certificates, none with less than ${leastSecondsLeft.toFixed(1)} s left`);
  late ||= different < least || leastSecondsLeft <= 0;
}
for (const fault of [...result.failures, ...result.faults]) say(`fault: ${fault}`);
const ok = !late && result.faults.length === 0 && result.statuses["200"] === result.sent && result.sent > 0;
say(ok ? "no request noticed" : "not as promised");
process.exitCode = ok ? 0 : 1;
