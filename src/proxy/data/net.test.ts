/** The data plane on the thread's own loop. The worker's tests and all that run real proxies play on it too. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../base/index.ts";
import { chain, connectTls, secrets } from "../../testkit/mesh-tls.ts";
import { EpollLoop } from "../../wire/epoll/index.ts";
import { epollNet, type Net } from "./net.ts";
import {
  answering,
  change,
  connect,
  endpoint,
  listener,
  ok,
  origin,
  route,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
let loop: EpollLoop | null = null;
let net: Net;

beforeAll(async () => {
  loop = await EpollLoop.start({
    clock: systemClock,
    onFault: (error) => {
      throw error;
    },
  });
  if (loop !== null) net = epollNet(loop);
});
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});
afterAll(() => loop?.stop());

const plain = (port: number) => [
  change.cluster(),
  change.endpoints("origin", [endpoint(port, 0)]),
  change.routes([route("origin")]),
];

describe.skipIf(process.platform !== "linux")("the thread's own loop", () => {
  test("a body read before its upstream stands is not what the next read brought", async () => {
    const backend = origin((socket) => {
      if (socket.inbox.text.endsWith("!")) socket.send(ok("done"));
    });
    const plane = testPlane({ net });
    cleanups.push(() => plane.stop(), backend.stop);
    expect(plane.apply([...plain(backend.port), change.listener(listener())])).toEqual([]);
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect(plane.port("main"))));
    const bodies = clients.map((_, i) => `${String(i).repeat(199)}!`);
    clients.forEach((client, i) => {
      client.send(`PUT /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n${bodies[i]}`);
    });
    for (const client of clients) await client.inbox.match(/done$/);
    const came = backend.connections.map((c) => c.inbox.text.slice(-200));
    expect(came.toSorted()).toEqual(bodies);
  });

  test("a refused endpoint is answered for", async () => {
    const gone = origin();
    gone.stop();
    const plane = testPlane({ net });
    cleanups.push(() => plane.stop());
    plane.apply([...plain(gone.port), change.listener(listener())]);
    const client = await connect(plane.port("main"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.inbox.match(/^HTTP\/1.1 503 [\s\S]*remote connection failure$/);
  });

  test("where a plain listener becomes one with TLS, new connections are the runtime's, old ones go on", async () => {
    const backend = answering(() => ok("yes"));
    const plane = testPlane({ net });
    cleanups.push(() => plane.stop(), backend.stop);
    plane.handle({ kind: "update", seq: 1000, resources: [], secrets });
    plane.apply([...plain(backend.port), change.listener(listener())]);
    const before = await connect(plane.port("main"));
    before.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await before.inbox.match(/yes$/);
    expect(plane.apply([change.listener({ ...listener(), filterChains: [chain()] })])).toEqual([]);
    const after = await connectTls(plane.port("main"));
    after.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await after.inbox.match(/^HTTP\/1.1 200 [\s\S]*yes$/);
    before.inbox.text = "";
    before.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await before.inbox.match(/yes$/);
  });
});
