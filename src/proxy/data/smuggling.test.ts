/** HARDENING 3.1 rows 1-9 at proxy level: a recording origin must see what the proxy let through and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { seededRng } from "../../base/index.ts";
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

let backend: Origin;
let plane: TestPlane;

beforeAll(() => {
  // Answers each whole request it can find; records everything.
  backend = origin((socket) => {
    if (
      /^(?:GET|HEAD|OPTIONS) [\s\S]*\r\n\r\n$/.test(socket.inbox.text) &&
      !/content-length|chunked/.test(socket.inbox.text)
    ) {
      socket.send(ok("fine"));
    }
  });
  plane = testPlane();
  plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(backend.port, 0)]),
    change.routes([route("origin")]),
    change.listener(listener()),
  ]);
});
afterAll(() => {
  plane.stop();
  backend.stop();
});

const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const get = "GET / HTTP/1.1\r\nHost: a\r\n";
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const length = (value: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${value}\r\n\r\nhello`;
const encoding = (value: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${value}\r\n\r\n0\r\n\r\n`;

/** Row of HARDENING 3.1 -> bytes; each is followed by a request that must never be seen. */
const attacks: readonly (readonly [string, string])[] = [
  [
    "1 length and chunked",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ...[
    "+5",
    "-5",
    "-0",
    "0x5",
    "5_0",
    "1Z",
    "5 5",
    "5,",
    "5,6",
    "",
    "\t",
    "9".repeat(20),
    "9223372036854775808",
  ].map((v) => [`2 content-length ${JSON.stringify(v)}`, length(v)] as const),
  ["2 two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
  ...[
    "xchunked",
    "identity",
    ",chunked",
    "chunked,",
    "chunked, identity",
    "chunked;a=b",
    "gzip, chunked",
    "\x0bchunked",
    "\x0cchunked",
    "chunked\x00",
    "\xffchunked\xff",
    "\xa0chunked",
  ].map((v) => [`3 transfer-encoding ${JSON.stringify(v)}`, encoding(v)] as const),
  [
    "3 two codings",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ["3 space before colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"],
  ["3 folded", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"],
  ["3 on HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ...["0x5", "+5", "-1", "5_0", " 5", "5 ", "Z", "", "ffffffffffffffff1", "0".repeat(17), "1these-bytes"].map(
    (v) => [`4 chunk size ${JSON.stringify(v)}`, `${chunked}${v}\r\nhello\r\n0\r\n\r\n`] as const,
  ),
  ["5 LF after size", `${chunked}5\nhello\r\n0\r\n\r\n`],
  ["5 LF after extension", `${chunked}5;\nhello\r\n0\r\n\r\n`],
  ["5 CR CR", `${chunked}5\r\r;ABCD\r\n0\r\n\r\n`],
  ["5 CR alone", `${chunked}5\rhello\r\n0\r\n\r\n`],
  ["5 spill", `${chunked}5\r\nhelloXX0\r\n\r\n`],
  ["5 last chunk LF", `${chunked}0\n\r\n`],
  ["5 long extension", `${chunked}5;${"a".repeat(65_536)}\r\nhello\r\n0\r\n\r\n`],
  ["5 control in extension", `${chunked}5;a=\x01\r\nhello\r\n0\r\n\r\n`],
  ["6 bare LF", "GET / HTTP/1.1\nHost: a\n\n"],
  ["6 CR in value", `${get}X: a\rb\r\n\r\n`],
  ["6 NUL in value", `${get}X: a\x00b\r\n\r\n`],
  ["6 CRLF CR X", `${get}\rX: a\r\n\r\n`],
  ["6 fold", `${get}X: a\r\n b\r\n\r\n`],
  ["6 empty name", `${get}: v\r\n\r\n`],
  ["6 no colon", `${get}novalue\r\n\r\n`],
  ["6 bad name", `${get}X(: v\r\n\r\n`],
  ["6 high byte in name", `${get}X\xe9: v\r\n\r\n`],
  ["6 split name", "GET / HTTP/1.1\r\nContent-\r\nLength: 5\r\nHost: a\r\n\r\n"],
  ["7 two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["7 tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["7 no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["7 LF in line", "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"],
  ...["HTTP/1.10", "HTTP/01.1", "HTTP/4294967295.255", "http/1.1", "HTTP/2.0"].map(
    (v) => [`7 version ${v}`, `GET / ${v}\r\nHost: a\r\n\r\n`] as const,
  ),
  ["7 fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["7 high byte in target", "GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["7 bad method", 'G=":<> / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ["7 h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["8 no host", "GET / HTTP/1.1\r\n\r\n"],
  ["8 two hosts", `${get}Host: a\r\n\r\n`],
  ...["a, b", "u@a", "a/b", "a\x00.b", ""].map(
    (v) => [`8 host ${JSON.stringify(v)}`, `GET / HTTP/1.1\r\nHost: ${v}\r\n\r\n`] as const,
  ),
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

async function play(text: string, split: Split): Promise<string> {
  const client = await connect(plane.port("main"));
  for (const piece of split(Buffer.from(text, "latin1"))) {
    if (client.inbox.closed) break;
    client.send(piece);
    await turn();
  }
  await client.inbox.until(() => client.inbox.closed);
  client.end();
  return client.inbox.text;
}

const seen = (): string => backend.connections.map((c) => c.inbox.text).join("");

describe.each(splits)("malformed HTTP, %s", (_, split) => {
  test.each(attacks)("row %s", async (_name, bytes) => {
    const answer = await play(bytes + smuggled, split);
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

describe("well-formed but dangerous", () => {
  test("row 8: the target's authority wins and Host is written anew", async () => {
    const answer = await play("GET http://good/ HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n", (b) => [
      b,
    ]);
    expect(answer).toStartWith("HTTP/1.1 200 OK");
    const last = backend.connections[backend.connections.length - 1]!.inbox.text;
    expect(last).toContain("GET / HTTP/1.1\r\n");
    expect(last).toContain("host: good\r\n");
    expect(last).not.toContain("evil");
  });

  test("row 2: 010 is ten, forwarded as 10; row 9: a body on GET is framed exactly", async () => {
    const client = await connect(plane.port("main"));
    client.send(`GET /body HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n\r\n0123456789${smuggled}`);
    const found = (): RawSocket | undefined =>
      backend.connections.find((s) => s.inbox.text.includes("0123456789"));
    while (!found()) await turn();
    const c = found()!;
    expect(c.inbox.text).toContain("content-length: 10\r\n");
    // The next request waits for its turn: it is not sent before this one is answered.
    expect(c.inbox.text).not.toContain("smuggled");
    client.end();
  });
});
