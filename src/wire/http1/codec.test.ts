/** Limits at the limit and one past, holding and tunnels, round trips, hop-by-hop fields. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { byteByByte, bytesOf, cut, traceRequests, traceResponses } from "../../testkit/http1-trace.ts";
import {
  chunkEnd,
  chunkHead,
  defaultHttp1Limits,
  encodeRequestHead,
  encodeResponseHead,
  type Framing,
  lastChunk,
  RequestParser,
  ResponseParser,
  requestFraming,
  stripHopByHop,
} from "./index.ts";

const limits = defaultHttp1Limits;
const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Whole and byte by byte, the verdict must be the same. */
function verdict(text: string): string {
  const bytes = bytesOf(text);
  const whole = traceRequests([bytes]).error;
  expect(traceRequests(byteByByte(bytes)).error).toEqual(whole);
  return whole === null ? "ok" : `${whole.status} ${whole.code}`;
}

describe("limits", () => {
  const line = (size: number): string => `GET /${"a".repeat(size - 14)} HTTP/1.1\r\nHost: a\r\n\r\n`;
  test("start line", () => {
    expect(verdict(line(limits.maxStartLineBytes))).toBe("ok");
    expect(verdict(line(limits.maxStartLineBytes + 1))).toBe("414 http1.start_line_too_long");
    expect(verdict(`${"A".repeat(limits.maxStartLineBytes + 1)} / HTTP/1.1\r\nHost: a\r\n\r\n`)).toBe(
      "414 http1.start_line_too_long",
    );
  });

  test("header bytes: name + value + 32 each", () => {
    const block = (size: number): string =>
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${"b".repeat(size - (4 + 1 + 32) - (1 + 32))}\r\n\r\n`;
    expect(verdict(block(limits.maxHeaderBytes))).toBe("ok");
    expect(verdict(block(limits.maxHeaderBytes + 1))).toBe("431 http1.headers_too_large");
  });

  test("white space does not hide from the limit", () => {
    const padded = `GET / HTTP/1.1\r\nHost: a\r\nX:${" ".repeat(limits.maxHeaderBytes)}b\r\n\r\n`;
    expect(verdict(padded)).toBe("431 http1.headers_too_large");
  });

  test("header count", () => {
    const many = (n: number): string => `GET / HTTP/1.1\r\nHost: a\r\n${"X: 1\r\n".repeat(n - 1)}\r\n`;
    expect(verdict(many(limits.maxHeaderCount))).toBe("ok");
    expect(verdict(many(limits.maxHeaderCount + 1))).toBe("431 http1.too_many_headers");
  });

  test("trailers have the same limits", () => {
    const many = (n: number): string => `${chunked}0\r\n${"X: 1\r\n".repeat(n)}\r\n`;
    expect(verdict(many(limits.maxHeaderCount))).toBe("ok");
    expect(verdict(many(limits.maxHeaderCount + 1))).toBe("431 http1.too_many_headers");
  });

  test("chunk line", () => {
    const text = (size: number): string => `${chunked}1;${"a".repeat(size - 2)}\r\nx\r\n0\r\n\r\n`;
    expect(verdict(text(limits.maxChunkLineBytes))).toBe("ok");
    expect(verdict(text(limits.maxChunkLineBytes + 1))).toBe("400 http1.chunk_line_too_long");
  });

  test("chunk extensions of a message", () => {
    const chunk = `1;${"a".repeat(127)}\r\nx\r\n`;
    const full = chunk.repeat(limits.maxChunkExtensionBytes / 128);
    expect(verdict(`${chunked}${full}0\r\n\r\n`)).toBe("ok");
    expect(verdict(`${chunked}${full}0;\r\n\r\n`)).toBe("400 http1.chunk_extensions_too_long");
    // The count starts again with the next message.
    expect(verdict(`${chunked}${full}0\r\n\r\n`.repeat(2))).toBe("ok");
  });

  test("empty lines before a request", () => {
    const text = (n: number): string => `${"\r\n".repeat(n)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`;
    expect(verdict(text(limits.maxLeadingEmptyLines))).toBe("ok");
    expect(verdict(text(limits.maxLeadingEmptyLines + 1))).toBe("400 http1.leading_lines");
  });

  test("bytes held behind an unanswered request", () => {
    const first = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const held = (n: number): string | undefined =>
      traceRequests([bytesOf(first + "x".repeat(n - 1)), bytesOf("x")], { next: "never", eof: false }).error
        ?.code;
    expect(held(limits.maxPipelinedBytes)).toBeUndefined();
    expect(held(limits.maxPipelinedBytes + 1)).toBe("http1.pipeline_too_long");
  });

  test("informational answers: see row 12 of the hardening vectors", () => {
    expect(limits.maxInformational).toBe(8);
  });

  test("a head sent byte by byte costs linear time", () => {
    const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"b".repeat(60_000)}\r\n\r\n`;
    const start = Bun.nanoseconds();
    verdict(text);
    expect((Bun.nanoseconds() - start) / 1e9).toBeLessThan(2);
  });
});

class Log {
  readonly lines: string[] = [];
  ended: () => void = () => {};
  onRequest(head: { target: string }, end: boolean): void {
    this.lines.push(`request ${head.target} ${end}`);
  }
  onInformational(head: { status: number }): void {
    this.lines.push(`informational ${head.status}`);
  }
  onResponse(head: { status: number }, end: boolean): void {
    this.lines.push(`response ${head.status} ${end}`);
  }
  onData(chunk: Uint8Array): void {
    this.lines.push(`data ${Buffer.from(chunk).toString("latin1")}`);
  }
  onTrailers(list: readonly string[]): void {
    this.lines.push(`trailers ${list.join(" ")}`);
  }
  onEnd(): void {
    this.lines.push("end");
    this.ended();
  }
}

const first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
const second = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";

describe("request parser", () => {
  test("holds what follows a request until next()", () => {
    const log = new Log();
    const parser = new RequestParser(log);
    parser.feed(bytesOf(first + second.slice(0, 5)));
    parser.feed(bytesOf(second.slice(5)));
    expect(log.lines).toEqual(["request /1 true", "end"]);
    expect(parser.buffered).toBe(second.length);
    expect(parser.idle).toBe(false);
    expect(parser.next()).toBeNull();
    expect(log.lines.slice(2)).toEqual(["request /2 true", "end"]);
    expect(parser.buffered).toBe(0);
    parser.next();
    expect(parser.idle).toBe(true);
    expect(parser.eof()).toBeNull();
  });

  test("ignores what follows a request that is the last", () => {
    const trace = traceRequests([bytesOf(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n${second}`)]);
    expect(trace.events.map((e) => e.kind)).toEqual(["request", "end"]);
    expect(trace.error).toBeNull();
  });

  test("gives a tunnel its early bytes, then every byte", () => {
    const log = new Log();
    const parser = new RequestParser(log);
    parser.feed(bytesOf("CONNECT a:1 HTTP/1.0\r\n\r\nearly"));
    parser.feed(bytesOf("+"));
    expect(Buffer.from(parser.upgraded()).toString()).toBe("early+");
    parser.feed(bytesOf("GET / HTTP/9\r\n"));
    expect(log.lines).toEqual(["request a:1 true", "end", "data GET / HTTP/9\r\n"]);
    expect(parser.eof()).toBeNull();
  });

  test("reads early bytes as the next request where the upgrade was not granted", () => {
    const log = new Log();
    const parser = new RequestParser(log);
    const upgrade = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
    parser.feed(bytesOf(upgrade + second));
    parser.next();
    expect(log.lines).toEqual(["request /1 true", "end", "request /2 true", "end"]);
  });

  test("says nothing once closed, also from within a handler", () => {
    const log = new Log();
    const parser = new RequestParser(log);
    log.ended = () => parser.close();
    expect(parser.feed(bytesOf(first + second))).toBeNull();
    expect(parser.feed(bytesOf(second))).toBeNull();
    expect(parser.next()).toBeNull();
    expect(log.lines).toEqual(["request /1 true", "end"]);
  });

  const headOf = (fields: string, version = "1.1") => {
    const event = traceRequests([bytesOf(`POST / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`)], {
      eof: false,
    });
    const found = event.events[0];
    if (found?.kind !== "request") throw new Error(`no request: ${event.error?.code}`);
    return found.head;
  };

  test("knows who keeps the connection", () => {
    expect(headOf("").keepAlive).toBe(true);
    expect(headOf("Connection: x, Close\r\n").keepAlive).toBe(false);
    expect(headOf("Connection: close\r\nConnection: keep-alive\r\n").keepAlive).toBe(false);
    expect(headOf("", "1.0").keepAlive).toBe(false);
    expect(headOf("Connection: Keep-Alive\r\n", "1.0").keepAlive).toBe(true);
  });

  test("offers an upgrade only where it is nominated, and never h2c", () => {
    expect(headOf("Connection: upgrade\r\nUpgrade: WebSocket\r\n").upgrade).toBe("websocket");
    expect(headOf("Upgrade: websocket\r\n").upgrade).toBeNull();
    expect(headOf("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n").upgrade).toBeNull();
    expect(headOf("Connection: upgrade\r\nUpgrade: websocket\r\n", "1.0").upgrade).toBeNull();
  });

  test("expects 100-continue only where a body follows", () => {
    expect(headOf("Expect: 100-continue\r\nContent-Length: 1\r\n").expectContinue).toBe(true);
    expect(headOf("Expect: 100-continue\r\n").expectContinue).toBe(false);
    expect(headOf("Expect: 100-continue\r\nContent-Length: 1\r\n", "1.0").expectContinue).toBe(false);
  });

  test("hands a body out without copying it", () => {
    const bytes = bytesOf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    const views: Uint8Array[] = [];
    const log = new Log();
    log.onData = (chunk) => views.push(chunk);
    const parser = new RequestParser(log);
    parser.feed(bytes);
    const more = bytesOf("world");
    parser.feed(more);
    expect(views[0]!.buffer).toBe(bytes.buffer);
    expect(views[1]).toBe(more);
  });
});

describe("response parser", () => {
  test("refuses bytes that nobody asked for", () => {
    const parser = new ResponseParser(new Log());
    expect(parser.feed(bytesOf("HTTP/1.1 408 Timeout\r\n\r\n"))?.code).toBe("http1.unsolicited_response");
    expect(parser.reusable).toBe(false);
  });

  test("is reusable at the end of a response, and not with bytes behind it", () => {
    for (const [text, reusable] of [
      ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true],
      ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false],
      ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false],
      ["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false],
      ["HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true],
    ] as const) {
      const log = new Log();
      const parser = new ResponseParser(log);
      let atEnd: boolean | undefined;
      log.ended = () => {
        atEnd = parser.reusable;
        // Asking for the next response at once must not let the extra bytes answer it.
        parser.expect("GET");
      };
      parser.expect("GET");
      parser.feed(bytesOf(text));
      expect(atEnd).toBe(reusable);
      expect(log.lines.filter((l) => l.startsWith("response")).length).toBe(1);
    }
  });

  test("knows whether anything of the answer came", () => {
    const parser = new ResponseParser(new Log());
    parser.expect("GET");
    expect(parser.untouched).toBe(true);
    parser.feed(bytesOf("H"));
    expect(parser.untouched).toBe(false);
  });

  test("switches only where the request asked for it", () => {
    const switching = bytesOf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nframe");
    const refused = new ResponseParser(new Log());
    refused.expect("GET");
    expect(refused.feed(switching)?.code).toBe("http1.unsolicited_upgrade");
    const log = new Log();
    const parser = new ResponseParser(log);
    parser.expect("GET", true);
    expect(parser.feed(switching)).toBeNull();
    expect(parser.eof()).toBeNull();
    expect(log.lines).toEqual(["response 101 false", "data frame", "end"]);
  });

  test("makes a tunnel of an accepted CONNECT, a response of a refused one", () => {
    const log = new Log();
    const parser = new ResponseParser(log);
    parser.expect("CONNECT");
    parser.feed(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"));
    expect(log.lines).toEqual(["response 200 false", "data abcdef"]);
    const refused = traceResponses([[bytesOf("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")]], {
      method: "CONNECT",
    });
    expect(refused.events.map((e) => e.kind)).toEqual(["response", "data", "end"]);
  });
});

const token = fc.string({
  unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789-!#$%&'*+.^`|~"),
  minLength: 1,
  maxLength: 12,
});
const value = fc
  .array(
    fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }), fc.constant(9)),
    { maxLength: 30 },
  )
  .map((codes) => String.fromCharCode(...codes).replace(/^[ \t]+|[ \t]+$/g, ""));
const meaning = new Set([
  "host",
  "expect",
  "upgrade",
  "connection",
  "te",
  "trailer",
  "keep-alive",
  "content-length",
]);
const fields = fc
  .array(fc.tuple(token, value), { maxLength: 12 })
  .map((list) => list.filter(([name]) => !meaning.has(name)).flat());
const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 4 });
const cuts = fc.array(fc.nat(1500), { maxLength: 12 });

function encodeBody(parts: readonly Uint8Array[], chunkedBody: boolean, trailers: string[]): string {
  const text = parts.map((p) => Buffer.from(p).toString("latin1"));
  if (!chunkedBody) return text.join("");
  return text.map((t) => chunkHead(t.length) + t + chunkEnd).join("") + lastChunk(trailers);
}

describe("round trip", () => {
  test("a request that was written is read as it was, however it is cut", () => {
    fc.assert(
      fc.property(token, fields, body, fc.boolean(), cuts, (method, list, parts, inChunks, at) => {
        const name = method === "connect" ? "GET" : method;
        const size = parts.reduce((n, p) => n + p.length, 0);
        const framing: Framing = inChunks ? { kind: "chunked" } : { kind: "length", length: size };
        const trailers = inChunks ? ["x-sum", "1"] : [];
        const text =
          encodeRequestHead(name, "/a?b", ["host", "a", ...list], framing) +
          encodeBody(parts, inChunks, trailers);
        const bytes = bytesOf(text + text);
        const trace = traceRequests(cut(bytes, at));
        expect(trace.error).toBeNull();
        const one = trace.events.slice(0, trace.events.length / 2);
        expect(trace.events.slice(trace.events.length / 2)).toEqual(one);
        const start = one[0];
        if (start?.kind !== "request") throw new Error("no request");
        expect([start.head.method, start.head.target]).toEqual([name, "/a?b"]);
        expect(start.head.headers.slice(0, -2)).toEqual(["host", "a", ...list]);
        expect([start.head.contentLength, start.head.chunked]).toEqual(inChunks ? [-1, true] : [size, false]);
        const data = one.flatMap((e) => (e.kind === "data" ? [e.text] : [])).join("");
        expect(data).toBe(encodeBody(parts, false, []));
        expect(one.flatMap((e) => (e.kind === "trailers" ? [...e.list] : []))).toEqual(trailers);
      }),
      { seed: 7, numRuns: 400 },
    );
  });

  test("a response likewise", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 599 }),
        fields,
        body,
        fc.boolean(),
        cuts,
        (status, list, parts, inChunks, at) => {
          if (status === 204 || status === 304) return;
          const size = parts.reduce((n, p) => n + p.length, 0);
          const framing: Framing = inChunks ? { kind: "chunked" } : { kind: "length", length: size };
          const text = encodeResponseHead(status, list, framing) + encodeBody(parts, inChunks, []);
          const trace = traceResponses([cut(bytesOf(text), at)]);
          expect(trace.error).toBeNull();
          const start = trace.events[0];
          if (start?.kind !== "response") throw new Error("no response");
          expect(start.head.status).toBe(status);
          expect(start.head.headers.slice(0, -2)).toEqual(list);
          const data = trace.events.flatMap((e) => (e.kind === "data" ? [e.text] : [])).join("");
          expect(data).toBe(encodeBody(parts, false, []));
        },
      ),
      { seed: 8, numRuns: 400 },
    );
  });
});

describe("writing", () => {
  test("heads", () => {
    expect(encodeRequestHead("GET", "/", ["host", "a"], requestFraming("GET", -1, false))).toBe(
      "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    expect(
      encodeRequestHead("POST", "/", ["host", "a"], requestFraming("POST", -1, false), { close: true }),
    ).toBe("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    expect(encodeResponseHead(404, [], { kind: "length", length: 0 })).toBe(
      "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    );
    expect(encodeResponseHead(200, [], { kind: "chunked" }, { reason: "Fine", keepAlive: true })).toBe(
      "HTTP/1.1 200 Fine\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n",
    );
    expect(encodeResponseHead(101, [], { kind: "none" }, { upgrade: "websocket" })).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    expect(encodeResponseHead(599, [], { kind: "none" })).toBe("HTTP/1.1 599 \r\n\r\n");
  });

  test("hop-by-hop fields go, nominated ones too, but none that identity rests on", () => {
    const list = [
      ["host", "a"],
      ["connection", "close, X-Forwarded-For, X-My-Identity, Authorization, Cookie, Host, Foo"],
      ["foo", "1"],
      ["x-forwarded-for", "1.2.3.4"],
      ["x-my-identity", "me"],
      ["authorization", "t"],
      ["cookie", "c"],
      ["keep-alive", "timeout=5"],
      ["proxy-connection", "close"],
      ["te", "trailers"],
      ["trailer", "x"],
      ["transfer-encoding", "chunked"],
      ["content-length", "1"],
      ["upgrade", "h2c"],
      ["http2-settings", "AA"],
      ["connection", "bar"],
      ["bar", "1"],
      ["accept", "*/*"],
    ].flat();
    stripHopByHop(list);
    expect(list.filter((_, i) => i % 2 === 0)).toEqual([
      "host",
      "x-forwarded-for",
      "x-my-identity",
      "authorization",
      "cookie",
      "accept",
    ]);
  });
});
