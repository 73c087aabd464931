import { afterEach, describe, expect, test } from "bun:test";
import { fakeClock } from "../../testkit/index.ts";
import type { HttpManagerConfig, ListenerConfig, ResourceChange } from "../config/index.ts";
import {
  answering,
  change,
  connect,
  endpoint,
  listener,
  type Origin,
  ok,
  origin,
  type RawSocket,
  route,
  type TestPlane,
  tcpTo,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function until(done: () => boolean): Promise<void> {
  while (!done()) await turn();
}

interface SetUp {
  readonly http?: Partial<HttpManagerConfig>;
  readonly listener?: Partial<ListenerConfig>;
  readonly action?: Parameters<typeof route>[1];
  readonly extra?: readonly ResourceChange[];
  readonly credential?: string;
}

function setUp(
  to: Origin,
  options: SetUp = {},
): { plane: TestPlane; clock: ReturnType<typeof fakeClock>; port: number } {
  const clock = fakeClock();
  const plane = testPlane({ clock, ...(options.credential ? { credential: options.credential } : {}) });
  const errors = plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(to.port, 0)]),
    change.routes([route("origin", options.action)]),
    change.listener(listener(options.listener, options.http)),
    ...(options.extra ?? []),
  ]);
  expect(errors).toEqual([]);
  cleanups.push(
    () => plane.stop(),
    () => to.stop(),
  );
  return { plane, clock, port: plane.port("main") };
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

describe("time limits of a downstream connection", () => {
  test("a head that is not whole in time: 408 and closed", async () => {
    const { clock, port, plane } = setUp(answering(() => ok("x")));
    const client = await connect(port);
    client.send("GET / HTTP/1.1\r\nHo");
    await until(() => plane.metric("envoy_listener_downstream_cx_active") === 1);
    for (let i = 0; i < 20; i++) await turn();
    clock.advance(9_900);
    client.send("s");
    for (let i = 0; i < 20; i++) await turn();
    expect(client.inbox.closed).toBe(false);
    clock.advance(200);
    await client.inbox.until(() => client.inbox.closed);
    expect(client.inbox.text).toStartWith("HTTP/1.1 408 Request Timeout\r\n");
    clock.advance(100);
    expect(plane.logs()).toEqual(["408 - request_header_timeout"]);
  });

  test("an idle connection closes without a word", async () => {
    const { clock, port } = setUp(
      answering(() => ok("x")),
      { http: { idleTimeoutMs: 1000 } },
    );
    const client = await connect(port);
    client.send(get);
    await client.inbox.match(/x$/);
    client.inbox.text = "";
    clock.advance(1100);
    await client.inbox.until(() => client.inbox.closed);
    expect(client.inbox.text).toBe("");
  });

  test("a stream on which nothing moves: 504 SI after the whole request", async () => {
    const backend = origin();
    const { clock, port, plane } = setUp(backend, { http: { streamIdleTimeoutMs: 5000 } });
    const client = await connect(port);
    client.send(get);
    await until(
      () => backend.connections[0]?.inbox.text !== undefined && backend.connections[0].inbox.text !== "",
    );
    clock.advance(5100);
    await client.inbox.match(/stream timeout$/);
    clock.advance(100);
    expect(plane.logs()).toEqual(["504 SI stream_idle_timeout"]);
    await backend.connections[0]!.inbox.until(() => backend.connections[0]!.inbox.closed);
  });

  test("a body that stops coming: 408 SI", async () => {
    const backend = origin();
    const { clock, port } = setUp(backend, { http: { streamIdleTimeoutMs: 5000 } });
    const client = await connect(port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    await until(() => backend.connections[0]?.inbox.text.endsWith("he") === true);
    clock.advance(5100);
    await client.inbox.match(/stream timeout$/);
    expect(client.inbox.text).toStartWith("HTTP/1.1 408 ");
  });
});

describe("one connection, many ways to end", () => {
  test("Expect: 100-continue is answered at once and not forwarded", async () => {
    const backend = origin((s) => {
      if (s.inbox.text.endsWith("hello")) s.send(ok("got it"));
    });
    const { port } = setUp(backend);
    const client = await connect(port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    await client.inbox.match(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
    client.send("hello");
    await client.inbox.match(/got it$/);
    expect(backend.connections[0]!.inbox.text).not.toMatch(/expect/i);
  });

  test("a client that leaves takes its upstream connection along: DC", async () => {
    const backend = origin();
    const { port, plane, clock } = setUp(backend);
    const client = await connect(port);
    client.send(get);
    await until(() => backend.connections[0]?.inbox.text.endsWith("\r\n\r\n") === true);
    client.end();
    await backend.connections[0]!.inbox.until(() => backend.connections[0]!.inbox.closed);
    clock.advance(100);
    expect(plane.logs()).toEqual(["0 DC downstream_remote_disconnect"]);
  });

  test("an answer that breaks off is never made to look whole", async () => {
    const backend = origin((s) => {
      s.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
      s.end();
    });
    const { port, plane, clock } = setUp(backend);
    const client = await connect(port);
    client.send(get);
    await client.inbox.until(() => client.inbox.closed);
    expect(client.inbox.text).toContain("5\r\nhello\r\n");
    expect(client.inbox.text).not.toContain("0\r\n\r\n");
    clock.advance(100);
    expect(plane.logs()[0]).toStartWith("200 UC upstream_reset_after_response_started");
  });

  test("bad bytes of the upstream: 502 UPE", async () => {
    const backend = origin((s) =>
      s.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"),
    );
    const { port, plane, clock } = setUp(backend);
    const client = await connect(port);
    client.send(get);
    await client.inbox.match(/protocol error$/);
    clock.advance(100);
    expect(client.inbox.text).toStartWith("HTTP/1.1 502 ");
    expect(plane.logs()[0]).toStartWith("502 UPE ");
  });

  test("an early answer with an unread body: up to 64 KiB are drained, beyond it closes", async () => {
    const { port, plane } = setUp(answering(() => ok("x")));
    plane.apply([change.routes([])]);
    const small = await connect(port);
    small.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n`);
    await small.inbox.match(/404 Not Found/);
    small.send("x".repeat(65_536));
    small.inbox.text = "";
    small.send(get);
    await small.inbox.match(/404 Not Found/);
    const large = await connect(port);
    large.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n`);
    large.send("x".repeat(65_537));
    await large.inbox.until(() => large.inbox.closed);
    expect(large.inbox.text.match(/HTTP\/1.1/g)?.length).toBe(1);
  });

  test("HTTP/1.0: no chunks, closed unless keep-alive was asked for", async () => {
    const backend = answering(
      () => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    const { port } = setUp(backend);
    const client = await connect(port);
    client.send("GET / HTTP/1.0\r\n\r\n");
    await client.inbox.until(() => client.inbox.closed);
    expect(client.inbox.text).toEndWith("\r\n\r\nabc");
    expect(client.inbox.text).not.toContain("chunked");
  });

  test("HEAD keeps the length and has no body", async () => {
    const backend = answering(() => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
    const { port } = setUp(backend);
    const client = await connect(port);
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.inbox.match(/content-length: 1000\r\n\r\nHTTP[\s\S]*content-length: 1000\r\n\r\n$/);
  });

  test("a slow reader pauses the upstream: memory stays bounded", async () => {
    const size = 64 * 1024 * 1024;
    let sent = 0;
    let peer: Bun.Socket<undefined> | null = null;
    const block = new Uint8Array(256 * 1024);
    const pour = (): void => {
      while (peer && sent < size) {
        const n = peer.write(block.subarray(0, Math.min(block.length, size - sent)));
        if (n <= 0) break;
        sent += n;
      }
    };
    const source = Bun.listen<undefined>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(s) {
          peer = s;
          s.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
          pour();
        },
        drain: pour,
      },
    });
    const { port } = setUp({
      port: source.port,
      connections: [],
      accepted: () => Promise.resolve(),
      stop: () => source.stop(true),
    });
    let got = 0;
    const count = (b: Uint8Array): void => {
      got += b.length;
    };
    const reader = await Bun.connect<undefined>({
      hostname: "127.0.0.1",
      port,
      socket: { data: (_, b) => count(b), open: (s) => void s.write(get) },
    });
    await until(() => got > 0);
    reader.pause();
    let last = -1;
    // Until the source is stuck: kernel buffers and the watermark are full.
    for (let quiet = 0; quiet < 200; ) {
      await turn();
      quiet = sent === last ? quiet + 1 : 0;
      last = sent;
    }
    expect(sent).toBeLessThan(size);
    reader.resume();
    await until(() => got >= size);
  }, 20_000);
});

describe("forward proxy", () => {
  const forward = { http: { forwardProxy: true, dynamicForwardProxy: true } };
  const passthrough = change.cluster({ name: "PassthroughCluster", discovery: "dynamic", slot: 64 });
  const basic = (text: string): string =>
    `Proxy-Authorization: Basic ${Buffer.from(text).toString("base64")}\r\n`;

  test("407 without the credential; it is stripped", async () => {
    const backend = origin((s) => s.send(ok("in")));
    const { port } = setUp(backend, { ...forward, credential: "s3cret" });
    const bad = await connect(port);
    bad.send(`GET http://a/ HTTP/1.1\r\nHost: a\r\n${basic("weft:wrong")}\r\n`);
    await bad.inbox.match(/407 Proxy Authentication Required/);
    expect(bad.inbox.text).toContain('proxy-authenticate: Basic realm="weft"');
    const good = await connect(port);
    good.send(`GET http://a/ HTTP/1.1\r\nHost: a\r\n${basic("weft:s3cret")}\r\n`);
    await good.inbox.match(/in$/);
    expect(backend.connections[0]!.inbox.text).not.toMatch(/proxy-authorization/i);
  });

  test("CONNECT elsewhere is TCP to the named address, half-close included; HTTP/1.0 without Host", async () => {
    const echo = origin((s) => {
      if (s.inbox.text === "ping") s.send("pong");
    });
    const { port, plane } = setUp(echo, { ...forward, extra: [passthrough] });
    plane.apply([change.routes([route("PassthroughCluster")])]);
    const client = await connect(port);
    client.send(`CONNECT 127.0.0.1:${echo.port} HTTP/1.0\r\n\r\n`);
    await client.inbox.match(/^HTTP\/1.1 200 Connection established\r\n\r\n$/);
    client.inbox.text = "";
    client.send("ping");
    await client.inbox.match(/^pong$/);
    client.shutdown();
    await echo.connections[0]!.inbox.until(() => echo.connections[0]!.inbox.closed);
    echo.connections[0]!.send("after");
    await client.inbox.until(() => client.inbox.text === "pongafter");
    echo.connections[0]!.end();
  });

  test("HTTP inside CONNECT to a mesh service enters the same stack", async () => {
    const backend = answering((n) => ok(`inside ${n}`));
    const { port, plane } = setUp(backend, forward);
    const client = await connect(port);
    client.send("CONNECT reviews:9080 HTTP/1.1\r\nHost: reviews:9080\r\n\r\n");
    await client.inbox.match(/established\r\n\r\n$/);
    client.inbox.text = "";
    for (const n of [1, 2]) {
      client.send("GET /x HTTP/1.1\r\nHost: reviews\r\n\r\n");
      await client.inbox.match(new RegExp(`inside ${n}$`));
    }
    expect(client.inbox.text).toContain("x-envoy-upstream-service-time");
    expect(plane.metric("istio_requests_total", { response_code: "200" })).toBeGreaterThanOrEqual(2);
  });

  test("drain closes an idle HTTP connection inside a tunnel", async () => {
    const { port, plane } = setUp(
      answering(() => ok("x")),
      forward,
    );
    const client = await connect(port);
    client.send("CONNECT reviews:9080 HTTP/1.1\r\nHost: reviews:9080\r\n\r\n");
    await client.inbox.match(/established\r\n\r\n$/);
    client.send("GET /x HTTP/1.1\r\nHost: reviews\r\n\r\n");
    await client.inbox.match(/x$/);
    plane.handle({ kind: "drain", direction: "all", deadlineMs: 60_000 });
    await client.inbox.until(() => client.inbox.closed);
    client.end();
    await until(() => plane.posted.some((m) => m.kind === "drained" && m.forced === 0));
  });

  test("other bytes inside CONNECT to a mesh service are relayed", async () => {
    const backend = origin((s) => s.send(`<${s.inbox.text}>`));
    const { port } = setUp(backend, forward);
    const client = await connect(port);
    client.send("CONNECT reviews:9080 HTTP/1.1\r\nHost: reviews:9080\r\n\r\n\x16\x03\x01");
    await client.inbox.until(() => client.inbox.text.endsWith("established\r\n\r\n<\x16\x03\x01>"));
  });

  test("a proxy that names itself is a loop: 508", async () => {
    const { port, plane } = setUp(
      answering(() => ok("x")),
      { ...forward, extra: [passthrough] },
    );
    plane.apply([change.routes([route("PassthroughCluster")])]);
    const client = await connect(port);
    client.send(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.inbox.match(/^HTTP\/1.1 508 /);
  });
});

describe("changes and drain", () => {
  test("routes change under a connection that stays", async () => {
    const one = answering(() => ok("one"));
    const two = answering(() => ok("two"));
    cleanups.push(() => two.stop());
    const { port, plane } = setUp(one, {
      extra: [
        change.cluster({ name: "second", slot: 32 }),
        change.endpoints("second", [endpoint(two.port, 1)]),
      ],
    });
    const client = await connect(port);
    client.send(get);
    await client.inbox.match(/one$/);
    plane.apply([change.routes([route("second")])]);
    client.send(get);
    await client.inbox.match(/two$/);
    expect(client.inbox.closed).toBe(false);
  });

  test("drain: no new connections, idle ones close, the busy one finishes with Connection: close", async () => {
    const held: RawSocket[] = [];
    const backend = origin((s) => held.push(s));
    const { port, plane } = setUp(backend);
    const idle = await connect(port);
    const busy = await connect(port);
    busy.send(get);
    await until(() => held.length === 1);
    plane.handle({ kind: "drain", direction: "outbound", deadlineMs: 5000 });
    await idle.inbox.until(() => idle.inbox.closed);
    expect(
      await connect(port).then(
        () => "connected",
        () => "refused",
      ),
    ).toBe("refused");
    held[0]!.send(ok("last"));
    await busy.inbox.until(() => busy.inbox.closed);
    expect(busy.inbox.text).toContain("connection: close\r\n");
    expect(busy.inbox.text).toEndWith("last");
    busy.end();
    idle.end();
    await until(() => plane.posted.some((m) => m.kind === "drained"));
    expect(plane.posted.find((m) => m.kind === "drained")).toEqual({
      kind: "drained",
      direction: "outbound",
      forced: 0,
    });
  });

  test("drain: the deadline cuts what is left", async () => {
    const backend = origin();
    const { port, plane, clock } = setUp(backend);
    const busy = await connect(port);
    busy.send(get);
    await until(() => backend.connections[0]?.inbox.text.endsWith("\r\n\r\n") === true);
    plane.handle({ kind: "drain", direction: "all", deadlineMs: 5000 });
    clock.advance(5001);
    await busy.inbox.until(() => busy.inbox.closed);
    expect(plane.posted.find((m) => m.kind === "drained")).toEqual({
      kind: "drained",
      direction: "all",
      forced: 1,
    });
  });

  test("an address in use is an error of that listener alone", async () => {
    const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    cleanups.push(() => taken.stop());
    const plane = testPlane();
    cleanups.push(() => plane.stop());
    const errors = plane.apply([
      change.listener(listener({ name: "bad", port: taken.port })),
      change.listener(listener()),
    ]);
    expect(errors.map((e) => e.name)).toEqual(["bad"]);
    expect(plane.port("main")).toBeGreaterThan(0);
  });

  test("an empty filter list accepts and closes, naming its owner, without reading", async () => {
    const owner = { object: "PeerAuthentication/default/default", field: "spec.mtls.mode" };
    const only = listener().filterChains[0]!;
    const { port, plane } = setUp(
      answering(() => ok("x")),
      {
        listener: { filterChains: [{ ...only, filter: { kind: "close" }, owner }] },
      },
    );
    const client = await connect(port);
    client.send(get);
    await client.inbox.until(() => client.inbox.closed);
    expect(client.inbox.text).toBe("");
    expect(plane.metric("weft_listener_policy_closed_total", { policy: owner.object })).toBe(1);
    expect(plane.posted.find((m) => m.kind === "log")).toMatchObject({ fields: { policy: owner.object } });
  });
});

test("tcp_proxy relays both ways, counts and logs the connection", async () => {
  const echo = origin((s) => s.send(s.inbox.text.toUpperCase()));
  const only = listener().filterChains[0]!;
  const accessLogs = [
    {
      path: "stdout",
      format: { kind: "text", text: "%PROTOCOL% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER%" },
    },
  ] as const;
  const filter = { ...tcpTo("origin"), accessLogs };
  const { port, plane, clock } = setUp(echo, { listener: { filterChains: [{ ...only, filter }] } });
  const client = await connect(port);
  client.send("hello");
  await client.inbox.match(/^HELLO$/);
  client.shutdown();
  await echo.connections[0]!.inbox.until(() => echo.connections[0]!.inbox.closed);
  echo.connections[0]!.end();
  await client.inbox.until(() => client.inbox.closed);
  await until(() => plane.metric("istio_tcp_connections_closed_total") === 1);
  clock.advance(100);
  expect(plane.logs()).toEqual(["- 5 5 origin"]);
  expect(plane.metric("istio_tcp_connections_opened_total", { request_protocol: "tcp" })).toBe(1);
  expect(plane.metric("istio_tcp_received_bytes_total")).toBe(5);
  expect(plane.metric("envoy_listener_downstream_cx_active")).toBe(0);
});
