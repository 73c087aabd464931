import { afterEach, describe, expect, test } from "bun:test";
import { createConnection } from "node:net";
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
  type TestPlane,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

function proxy(to: Origin, plane: TestPlane = testPlane()): number {
  expect(
    plane.apply([
      change.cluster(),
      change.endpoints("origin", [endpoint(to.port, 0)]),
      change.routes([route("origin")]),
      change.listener(listener()),
    ]),
  ).toEqual([]);
  cleanups.push(
    () => plane.stop(),
    () => to.stop(),
  );
  return plane.port("main");
}

describe("HTTP/1.1 through the data plane", () => {
  test("proxies a request and keeps both connections", async () => {
    const backend = answering((n) => ok(`hello ${n}`));
    const client = await connect(proxy(backend));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.inbox.match(/hello 1$/);
    expect(client.inbox.text).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(client.inbox.text).toMatch(/x-envoy-upstream-service-time: \d+\r\n/);
    expect(client.inbox.text).toMatch(/server: weft\r\n/);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.inbox.match(/hello 2$/);
    expect(backend.connections.length).toBe(1);
  });

  test("answers 100 pipelined requests in order", async () => {
    const backend = answering((n) => ok(`<${n}>`));
    const client = await connect(proxy(backend));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100));
    await client.inbox.match(/<100>$/);
    expect([...client.inbox.text.matchAll(/<(\d+)>/g)].map((m) => Number(m[1]))).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
  });

  test("answers a megabyte of pipelined requests that comes at once, in order, none refused", async () => {
    let answers = 0;
    const backend = origin((socket) => {
      const requests = socket.inbox.text.split("\r\n\r\n").length - 1;
      socket.inbox.text = "";
      for (let i = 0; i < requests; i++) socket.send(ok(`<${++answers}>`));
    });
    const count = 35_000;
    const socket = createConnection(proxy(backend), "127.0.0.1");
    const chunks: Buffer[] = [];
    const ended = new Promise<void>((resolve) => {
      socket.on("data", (bytes: Buffer) => {
        chunks.push(bytes);
        if (bytes.includes(`<${count}>`)) resolve();
      });
      socket.on("close", resolve);
    });
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count));
    await ended;
    socket.destroy();
    const numbers = [
      ...Buffer.concat(chunks)
        .toString("latin1")
        .matchAll(/<(\d+)>/g),
    ];
    expect(numbers.length).toBe(count);
    expect(numbers.every((m, i) => Number(m[1]) === i + 1)).toBe(true);
  }, 20_000);

  test("hears that a client has gone though the next request waits already", async () => {
    const backend = origin();
    const client = await connect(proxy(backend));
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
    await backend.accepted(1);
    await backend.connections[0]!.inbox.match(/\r\n\r\n$/);
    client.end();
    await backend.connections[0]!.inbox.until(() => backend.connections[0]!.inbox.closed);
    expect(backend.connections[0]!.inbox.text.match(/GET/g)?.length).toBe(1);
  });

  test("passes a chunked body and its answer", async () => {
    const backend = origin((socket) => {
      if (/0\r\n\r\n$/.test(socket.inbox.text)) {
        socket.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
      }
    });
    const client = await connect(proxy(backend));
    client.send("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    await backend.accepted(1);
    await backend.connections[0]!.inbox.match(/5\r\nhello\r\n$/);
    client.send("0\r\n\r\n");
    await client.inbox.match(/3\r\nabc\r\n0\r\n\r\n$/);
    expect(client.inbox.text).toContain("transfer-encoding: chunked");
  });
});
