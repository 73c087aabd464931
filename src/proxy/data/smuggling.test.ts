/**
 * HARDENING 3.1 rows 1-9 at proxy level, in plaintext and over mutual TLS, in three deliveries: a recording origin
 * must see what the proxy let through and nothing else.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { seededRng } from "../../base/index.ts";
import { connectTls, meshPlane } from "../../testkit/mesh-tls.ts";
import { attacks, smuggled } from "./smuggling-table.ts";
import {
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
  testPlane,
} from "./test-support.ts";

/** How clients reach the proxy, and a proxy to be reached so. */
interface Way {
  connect(plane: TestPlane): Promise<RawSocket>;
  plane(port: number): TestPlane;
}

const ways: readonly (readonly [string, Way])[] = [
  [
    "in plaintext",
    {
      connect: (plane) => connect(plane.port("main")),
      plane(port) {
        const plane = testPlane();
        plane.apply([
          change.cluster(),
          change.endpoints("origin", [endpoint(port, 0)]),
          change.routes([route("origin")]),
          change.listener(listener({}, { codec: "http1" })),
        ]);
        return plane;
      },
    },
  ],
  [
    "over mutual TLS",
    { connect: (plane) => connectTls(plane.port("mesh")), plane: (port) => meshPlane(port) },
  ],
];

type Split = (bytes: Buffer) => Buffer[];
const splits: readonly (readonly [string, Split])[] = [
  ["whole", (b) => [b]],
  [
    "byte by byte",
    (b) =>
      Array.from(b.subarray(0, 600), (_, i) => b.subarray(i, i + 1)).concat(
        b.length > 600 ? [b.subarray(600)] : [],
      ),
  ],
  [
    "random splits",
    (b) => {
      const rng = seededRng(b.length);
      const out: Buffer[] = [];
      for (let at = 0; at < b.length; ) {
        const next = Math.min(b.length, at + 1 + rng.int(40));
        out.push(b.subarray(at, next));
        at = next;
      }
      return out;
    },
  ],
];

/** Lets the loop turn, so that pieces travel apart. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Answers each whole request it can find; records everything. */
const recorder = (): Origin =>
  origin((socket) => {
    const { text } = socket.inbox;
    if (/^(?:GET|HEAD|OPTIONS) [\s\S]*\r\n\r\n$/.test(text) && !/content-length|chunked/.test(text))
      socket.send(ok("fine"));
  });

describe.each(ways)("%s", (_way, way) => {
  let backend: Origin;
  let plane: TestPlane;
  beforeAll(() => {
    backend = recorder();
    plane = way.plane(backend.port);
  });
  afterAll(() => {
    plane.stop();
    backend.stop();
  });
  const seen = (): string => backend.connections.map((c) => c.inbox.text).join("");

  async function play(text: string, split: Split): Promise<RawSocket> {
    const client = await way.connect(plane);
    for (const piece of split(Buffer.from(text, "latin1"))) {
      if (client.inbox.closed) break;
      client.send(piece);
      await turn();
    }
    return client;
  }

  describe.each(splits)("malformed HTTP, %s", (_, split) => {
    test.each(attacks)("row %s", async (_name, bytes) => {
      const client = await play(bytes + smuggled, split);
      await client.inbox.until(() => client.inbox.closed);
      client.end();
      const answer = client.inbox.text;
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
      expect([400, 501, 505]).toContain(status);
      expect(answer).toContain("connection: close\r\n");
      expect(answer.match(/HTTP\/1\.1 /g)?.length).toBe(1);
      expect(seen()).not.toContain("smuggled");
      // A connection that carried the head of a broken message is closed, never pooled; one that was opened for it
      // and carried nothing is as good as new.
      for (const c of backend.connections) if (c.inbox.text !== "") await c.inbox.until(() => c.inbox.closed);
      expect(plane.metric("envoy_cluster_upstream_rq_active")).toBe(0);
    });
  });

  describe.each(splits)("well-formed but dangerous, %s", (delivery, split) => {
    test("row 8: the target's authority wins and Host is written anew", async () => {
      const client = await play(
        "GET http://good/ HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n",
        split,
      );
      await client.inbox.until(() => client.inbox.closed);
      expect(client.inbox.text).toStartWith("HTTP/1.1 200 OK");
      const last = backend.connections[backend.connections.length - 1]!.inbox.text;
      expect(last).toContain("GET / HTTP/1.1\r\n");
      expect(last).toContain("host: good\r\n");
      expect(last).not.toContain("evil");
    });

    test.each([
      ["2: 010 is ten, forwarded as 10", "POST /ten HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n\r\n"],
      ["9: a body on GET", "GET /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"],
      ["9: a body on OPTIONS", "OPTIONS /options HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"],
    ])("row %s, is framed exactly", async (_row, head) => {
      const line = `${head.slice(0, head.indexOf(" HTTP"))}-${delivery.replaceAll(" ", "-")} HTTP/1.1`;
      const mine = (): RawSocket | undefined =>
        backend.connections.find(
          ({ inbox }) => inbox.text.includes(line) && inbox.text.endsWith("0123456789"),
        );
      const client = await play(`${line}${head.slice(head.indexOf("\r\n"))}0123456789${smuggled}`, split);
      while (!mine()) await turn();
      const c = mine()!;
      const request = c.inbox.text.slice(c.inbox.text.lastIndexOf(line));
      expect(request).toContain("content-length: 10\r\n");
      // The next request waits for its turn: it is not sent before this one is answered.
      expect(request).not.toContain("smuggled");
      client.end();
    });

    test("row 9: an early answer to a body that never ends closes the connection", async () => {
      const client = await play(
        `POST /none HTTP/1.1\r\nHost: absent.example\r\nTransfer-Encoding: chunked\r\nExpect: junk\r\n\r\n5\r\nhello\r\n`,
        split,
      );
      await client.inbox.match(/^HTTP\/1\.1 417 [\s\S]*connection: close\r\n/);
      await client.inbox.until(() => client.inbox.closed);
      expect(seen()).not.toContain("/none");
    });
  });
});
