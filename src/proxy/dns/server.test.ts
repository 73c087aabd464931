import { afterEach, describe, expect, test } from "bun:test";
import { Resolver as Stub } from "node:dns/promises";
import { seededRng } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import { encodeName, encodeQuery, readResponse } from "../../wire/dns/index.ts";
import { createBook } from "./book.ts";
import { Framer, framed } from "./framing.ts";
import { limits } from "./limits.ts";
import { Resolver } from "./resolver.ts";
import { type DnsServer, startDnsServer } from "./server.ts";
import { nameServers } from "./upstream.ts";

const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log } as never;
const open: DnsServer[] = [];
afterEach(() => {
  for (const s of open.splice(0)) s.stop();
});

async function serve(
  hosts: Record<string, string[]>,
  clock = fakeClock(),
  upstream?: ReturnType<typeof nameServers>,
) {
  const resolver = new Resolver({ ipv6: true, clock, rng: seededRng(1), ...(upstream && { upstream }) });
  const table = Object.fromEntries(
    Object.entries(hosts).map(([host, ips]) => [
      host,
      { ips, registry: "", shortname: "", namespace: "", altHosts: [], ports: [], endpoints: [] },
    ]),
  );
  resolver.book = createBook({ table, clusterDomain: "cluster.local" } as never);
  const server = await startDnsServer({ resolver, addresses: ["127.0.0.1"], port: 0, clock, log });
  open.push(server);
  return { resolver, server, clock };
}

const question = (name: string): Uint8Array =>
  encodeQuery({
    ...{ id: 5, recursionDesired: true, checkingDisabled: false },
    question: { raw: Buffer.concat([encodeName(name)!, Uint8Array.of(0, 1, 0, 1)]) },
  });

describe("the DNS server", () => {
  test("answers a stub resolver over UDP, and over TCP where the answer is long", async () => {
    const many = Array.from({ length: 60 }, (_, i) => `240.240.1.${i + 1}`);
    const { server } = await serve({ "a.test": ["240.240.0.1"], "many.test": many });
    const stub = new Stub();
    stub.setServers([`127.0.0.1:${server.port}`]);
    expect(await stub.resolve4("a.test")).toEqual(["240.240.0.1"]);
    expect((await stub.resolve4("many.test")).sort()).toEqual(many.sort());
  });

  test("passes other names on, over UDP and then over TCP", async () => {
    const clock = fakeClock();
    const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`);
    const outer = await serve({ "out.test": ["192.0.2.1"], "many.test": many });
    const upstream = nameServers(["127.0.0.1"], { clock, port: outer.server.port });
    const { server } = await serve({}, clock, upstream);
    const stub = new Stub();
    stub.setServers([`127.0.0.1:${server.port}`]);
    expect(await stub.resolve4("out.test")).toEqual(["192.0.2.1"]);
    expect((await stub.resolve4("many.test")).length).toBe(60);
  });

  /** A connection that collects whole messages. */
  async function connect(port: number) {
    const got: Uint8Array[] = [];
    const closed = Promise.withResolvers<void>();
    const framer = new Framer(65_535, (m) => got.push(m));
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, b) => void framer.feed(b),
        close: () => closed.resolve(),
        error: () => closed.resolve(),
      },
    });
    return { socket, got, closed: closed.promise };
  }

  test("takes several questions in one connection, at any split, until it is silent too long", async () => {
    const { server, clock } = await serve({ "a.test": ["240.240.0.1"] });
    const { socket, got, closed } = await connect(server.port);
    const bytes = Buffer.concat([framed(question("a.test")), framed(question("a.test"))]);
    for (const byte of bytes) {
      socket.write(Uint8Array.of(byte));
      socket.flush();
    }
    for (let i = 0; got.length < 2 && i < 1000; i++) await new Promise<void>((r) => setImmediate(r));
    expect(got.map((m) => readResponse(m)?.positive)).toEqual([true, true]);
    clock.advance(limits.tcpIdleMs);
    await closed;
  });

  test("ends a connection that sends what is too long, empty or no question", async () => {
    const { server } = await serve({});
    const over = limits.tcpQuestionBytes + 1;
    for (const bytes of [
      [over >> 8, over & 255],
      [0, 0],
      [0, 3, 1, 2, 3],
    ]) {
      const { socket, closed } = await connect(server.port);
      socket.write(Uint8Array.from(bytes));
      await closed;
    }
  });

  test("keeps connections within the limit", async () => {
    const { server } = await serve({});
    const held = await Promise.all(Array.from({ length: limits.tcpConnections }, () => connect(server.port)));
    const extra = await connect(server.port);
    await extra.closed;
    held[0]!.socket.write(framed(question("localhost")));
    for (let i = 0; held[0]!.got.length < 1 && i < 1000; i++) await new Promise<void>((r) => setImmediate(r));
    expect(held[0]!.got.length).toBe(1);
    for (const { socket } of held) socket.end();
  });
});
