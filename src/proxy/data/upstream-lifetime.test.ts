/** max_connection_duration of upstream connections. */
import { afterEach, expect, test } from "bun:test";
import { fakeClock } from "../../testkit/fake-clock.ts";
import {
  answering,
  change,
  connect,
  endpoint,
  listener,
  type Origin,
  ok,
  origin,
  route,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Connections to the origin live a second. */
async function start(to: Origin) {
  const clock = fakeClock();
  const plane = testPlane({ clock });
  cleanups.push(() => plane.stop(), to.stop);
  const errors = plane.apply([
    change.cluster({ maxConnectionDurationMs: 1000 }),
    change.endpoints("origin", [endpoint(to.port, 0)]),
    change.routes([route("origin")]),
    change.listener(listener()),
  ]);
  expect(errors).toEqual([]);
  return { clock, client: await connect(plane.port("main")) };
}

test("a connection past its time carries no further request, and closes when idle", async () => {
  const backend = answering(() => ok("x"));
  const { clock, client } = await start(backend);
  const ask = async (): Promise<void> => {
    client.inbox.text = "";
    client.send(get);
    await client.inbox.match(/x$/);
  };
  await ask();
  clock.advance(900);
  await ask();
  expect(backend.connections).toHaveLength(1);
  clock.advance(200);
  const [first] = backend.connections;
  await first!.inbox.until(() => first!.inbox.closed);
  await ask();
  expect(backend.connections).toHaveLength(2);
});

test("a request under way on a connection past its time is finished; then that closes", async () => {
  const backend = origin();
  const { clock, client } = await start(backend);
  client.send(get);
  await backend.accepted(1);
  const [only] = backend.connections;
  await only!.inbox.match(/\r\n\r\n$/);
  clock.advance(1100);
  only!.send(ok("late"));
  await client.inbox.match(/late$/);
  await only!.inbox.until(() => only!.inbox.closed);
});
