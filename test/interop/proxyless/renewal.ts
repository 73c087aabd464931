/** `make soak-grpc`: certificates that live 40 s; each library's servers stay, its clients come and go. */
import { delay, systemClock } from "../../../src/base/index.ts";
import { startMesh } from "../../../src/testkit/mesh-harness.ts";
import { go, node, python, startClient, startServer } from "./harness.ts";

const [seconds = 300, ttlSeconds = 40] = process.argv.slice(2).map(Number);
const perTurn = 3;
const firstPort = 50_100;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const libraries = [python(), node(), go()].filter((l) => l !== undefined);
const mesh = await startMesh({ defaultMtls: "strict", certificateTtlMs: ttlSeconds * 1000 });
const servers = await Promise.all(
  libraries.map((l, n) =>
    startServer(mesh, l, { service: `served-${n}`, version: "v1", port: firstPort + n }),
  ),
);
const end = systemClock.now() + seconds * 1000;
let calls = 0;
const faults: string[] = [];
while (systemClock.now() < end) {
  for (const [n, library] of libraries.entries()) {
    const client = await startClient(mesh, library, `caller-${n}`);
    for (const m of libraries.keys()) {
      const target = `xds:///served-${m}:${firstPort + m}`;
      const { errors, callers } = await client.call({ target, count: perTurn, secure: true });
      calls += perTurn;
      const who = `${library.name} to ${libraries[m]!.name}`;
      faults.push(...Object.keys(errors).map((e) => `${who}: ${e}`));
      if (callers.join() !== `spiffe://cluster.local/ns/default/sa/caller-${n}`)
        faults.push(`${who}: as ${callers}`);
    }
    await client.stop();
  }
  await delay(systemClock, 1000);
}
await Promise.all(servers.map((s) => s.stop()));
await mesh.stop();
for (const fault of faults) say(`fault: ${fault}`);
const pairs = libraries.length ** 2;
say(
  `${calls} calls in ${seconds} s, ${pairs} pairings, certificates of ${ttlSeconds} s: ${faults.length} failed`,
);
process.exitCode = faults.length === 0 && calls > 0 ? 0 : 1;
