/** HARDENING F4: 2,000 clients lose their server at once and come back; nobody is lost, memory stays bounded. */
import { afterAll, expect, test } from "bun:test";
import { createLogger, delay, seededRng, systemClock } from "../../src/base/index.ts";
import { createTestSource, make } from "../../src/testkit/xds-source.ts";
import { createGrpcChannel, createGrpcServer } from "../../src/wire/grpc/index.ts";
import { createXdsClient, type XdsClient } from "../../src/xds/client/index.ts";
import { typeUrl } from "../../src/xds/protocol/index.ts";
import { createXdsServer } from "../../src/xds/server/index.ts";

const count = 2_000;
const log = createLogger({ sink: () => {} });
const clock = systemClock;
const stops: (() => unknown)[] = [];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
}, 60_000);

const source = createTestSource();
for (let i = 0; i < 50; i++) source.put(make.cluster(`c${i}`, 200), make.endpoints(`c${i}`));

async function serve(port: number) {
  const xds = createXdsServer({ source, authenticate: async () => undefined, clock, log });
  const grpc = await createGrpcServer({ host: "127.0.0.1", port, methods: xds.methods, clock, log });
  return { xds, grpc };
}

const clients: XdsClient[] = [];

function startClient(port: number, i: number): void {
  const channel = createGrpcChannel({ target: `127.0.0.1:${port}`, clock });
  const client = createXdsClient({
    channel,
    node: { id: `n${i}`, cluster: "c", metadata: {} },
    sink: { apply: async () => ({ errors: [] }) },
    clock,
    rng: seededRng(i),
    log,
  });
  clients.push(client);
  stops.push(async () => {
    await client.stop();
    channel.close();
  });
  void client.start();
}

/** How many are connected and have `name`. */
const having = (name: string): number =>
  clients.filter((c) => {
    const { state, versions } = c.status();
    return state === "connected" && versions.get(typeUrl.cluster)?.has(name) === true;
  }).length;

/** Beyond this a machine is too busy to wait for. */
const patienceMs = 80_000;

/** What this process has worked: the same on a machine that others keep busy. Both ends are in it. */
const workedMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

/** Waits until all have it, for as long as that much work takes; returns the time that it took. */
async function all(name: string, limitMs: number): Promise<number> {
  const [began, beganWork] = [clock.now(), workedMs()];
  for (;;) {
    const there = having(name);
    if (there === count) return clock.now() - began;
    const worked = workedMs() - beganWork;
    if (worked > limitMs || clock.now() - began > patienceMs)
      throw new Error(`${there} of ${count} within ${Math.round(worked)} ms of work`);
    await delay(clock, 100);
  }
}

test(`${count} clients come back within 60 s, and a change reaches all of them within 5 s`, async () => {
  const first = await serve(0);
  for (let i = 0; i < count; i++) startClient(first.grpc.port, i);
  await all("c0", 60_000);
  const steady = process.memoryUsage.rss();
  await first.grpc.stop();
  source.put(make.cluster("while-away"), make.endpoints("while-away"));
  const second = await serve(first.grpc.port);
  stops.push(() => second.grpc.stop());
  const back = await all("while-away", 60_000);
  expect(second.xds.streams).toBe(count);
  expect(process.memoryUsage.rss()).toBeLessThan(2 * steady);
  source.put(make.cluster("after"), make.endpoints("after"));
  source.changed();
  const change = await all("after", 5_000);
  process.stderr.write(`back after ${Math.round(back)} ms, a change in ${Math.round(change)} ms\n`);
}, 300_000);
