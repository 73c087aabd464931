/** The data plane on the thread's own loop. The worker's tests and all that run real proxies play on it too. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../base/index.ts";
import { issue, issuingCa } from "../../testkit/issue.ts";
import { chain, sni, spiffe } from "../../testkit/mesh-tls.ts";
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
    const ca = issuingCa();
    const own = issue({ ca, spiffe: spiffe("reviews") });
    const plane = testPlane({ net });
    cleanups.push(() => plane.stop(), backend.stop);
    const secrets = [
      { name: "default", certPem: own.cert, keyPem: own.key },
      { name: "ROOTCA", caPem: ca.pem },
    ];
    plane.handle({ kind: "update", seq: 1000, resources: [], secrets });
    plane.apply([...plain(backend.port), change.listener(listener())]);
    const before = await connect(plane.port("main"));
    before.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await before.inbox.match(/yes$/);
    expect(plane.apply([change.listener({ ...listener(), filterChains: [chain()] })])).toEqual([]);
    const caller = issue({ ca, spiffe: spiffe("productpage") });
    const answer = Promise.withResolvers<string>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: plane.port("main"),
      tls: {
        ca: ca.pem,
        cert: caller.cert,
        key: caller.key,
        serverName: sni,
        rejectUnauthorized: false,
        ALPNProtocols: "http/1.1",
      } as Bun.TLSOptions,
      socket: {
        handshake: (s) => void s.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        data: (_, bytes) => answer.resolve(bytes.toString()),
        close: () => answer.resolve("closed"),
        error: () => undefined,
      },
    });
    cleanups.push(() => socket.terminate());
    expect(await answer.promise).toMatch(/^HTTP\/1.1 200 [\s\S]*yes$/);
    before.inbox.text = "";
    before.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await before.inbox.match(/yes$/);
  });
});
