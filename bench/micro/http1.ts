/** Time to parse and to write a usual head: `bun bench/micro/http1.ts [nanoseconds allowed to parse]`. */

import { normalizePath } from "../../src/wire/http/index.ts";
import {
  encodeRequestHead,
  encodeResponseHead,
  RequestParser,
  ResponseParser,
  stripHopByHop,
} from "../../src/wire/http1/index.ts";

const request = Buffer.from(
  "GET /productpage?u=normal HTTP/1.1\r\nHost: productpage.default.svc.cluster.local:9080\r\n" +
    "User-Agent: curl/7.88.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\nX-Request-Id: " +
    "3f6c2b1a-8f9e-4d7c-b6a5-0123456789ab\r\nEnd-User: jason\r\n\r\n",
);
const response = Buffer.from(
  "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 21:00:00 GMT\r\nContent-Type: text/plain\r\n" +
    `Content-Length: 100\r\nConnection: keep-alive\r\nETag: "5f-abc"\r\n\r\n${"x".repeat(100)}`,
);
const chunked = Buffer.from(
  "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" +
    `${"y".repeat(1024)}\r\n400\r\n${"y".repeat(1024)}\r\n0\r\n\r\n`,
);

let headers: string[] = [];
const handler = {
  onRequest: (head: { headers: string[] }): void => {
    headers = head.headers;
  },
  onInformational: (): void => {},
  onResponse: (head: { headers: string[] }): void => {
    headers = head.headers;
  },
  onData: (): void => {},
  onTrailers: (): void => {},
  onEnd: (): void => {},
};
const requests = new RequestParser(handler);
const responses = new ResponseParser(handler);
const out = Buffer.alloc(4096);
const write = (text: string): number => out.write(text, 0, "latin1");
let sink = 0;

requests.feed(request);
requests.next();
const requestHeaders = headers.slice();
responses.expect("GET");
responses.feed(response);
const responseHeaders = headers.slice();
stripHopByHop(responseHeaders);
const length = { kind: "length", length: 100 } as const;
const none = { kind: "none" } as const;

const cases: readonly [string, () => void][] = [
  [
    "parse request, 6 fields",
    () => {
      requests.feed(request);
      requests.next();
    },
  ],
  [
    "parse response, 6 fields, 100 B",
    () => {
      responses.expect("GET");
      responses.feed(response);
    },
  ],
  [
    "parse chunked request, 2 x 1 KiB",
    () => {
      requests.feed(chunked);
      requests.next();
    },
  ],
  [
    "write request head into a buffer",
    () => {
      sink += write(encodeRequestHead("GET", "/productpage?u=normal", requestHeaders, none));
    },
  ],
  [
    "write response head into a buffer",
    () => {
      sink += write(encodeResponseHead(200, responseHeaders, length));
    },
  ],
  [
    "parse, strip, write: request",
    () => {
      requests.feed(request);
      requests.next();
      stripHopByHop(headers);
      sink += write(encodeRequestHead("GET", "/productpage?u=normal", headers, none));
    },
  ],
  [
    "normalise a canonical path",
    () => {
      sink += normalizePath("/productpage/details/1?u=normal")!.length;
    },
  ],
];

const rounds = 7;
const perRound = 200_000;
for (const [name, run] of cases) {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = Bun.nanoseconds();
    for (let i = 0; i < perRound; i++) run();
    times.push((Bun.nanoseconds() - start) / perRound);
  }
  times.sort((a, b) => a - b);
  console.log(
    `${name.padEnd(36)} ${times[0]!.toFixed(0).padStart(6)} ns best ${times[3]!.toFixed(0).padStart(6)} median`,
  );
}
if (sink === 0) throw new Error("nothing was written");
