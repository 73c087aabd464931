/** HARDENING.md 3.1, rows 1-9 and what of 10-13 is the codec's: every payload whole, byte by byte, cut at random. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  byteByByte,
  bytesOf,
  cut,
  type Trace,
  traceRequests,
  traceResponses,
} from "../../testkit/http1-trace.ts";

/** What a stream must come to: the codes allowed, or "ok"; the status is checked where it is not 400. */
type Verdict = { readonly codes: readonly string[]; readonly status: number };
const bad = (...codes: string[]): Verdict => ({ codes: codes.map((c) => `http1.${c}`), status: 400 });
const status = (code: number, ...codes: string[]): Verdict => ({ ...bad(...codes), status: code });
const ok: Verdict = { codes: ["ok"], status: 0 };

const post = (fields: string, body = ""): string => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const length = (value: string): string => post(`Content-Length: ${value}\r\n`, "hello");
const coding = (value: string): string => post(`Transfer-Encoding: ${value}\r\n`, "0\r\n\r\n");
const chunks = (body: string): string => post("Transfer-Encoding: chunked\r\n", body);

const cl = bad("content_length");
const te = bad("transfer_encoding");
const size = bad("chunk_size");
const extension = bad("chunk_extension");

const vectors: readonly (readonly [row: string, name: string, bytes: string, verdict: Verdict])[] = [
  [
    "1",
    "CL and TE",
    post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    bad("length_and_encoding"),
  ],
  [
    "1",
    "TE and CL",
    post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    bad("length_and_encoding"),
  ],

  ...["+5", "-5", "-0", "0x5", "5_0", "1Z", "5 5", "5,", "5,6", "5, 5", "", "\t", "5.0", "5e0"].map(
    (v) => ["2", `length ${JSON.stringify(v)}`, length(v), cl] as const,
  ),
  ["2", "20 digits", length("00000000000000000005"), cl],
  ["2", "2^63", length("9223372036854775808"), cl],
  ["2", "2^53", length("9007199254740992"), cl],
  [
    "2",
    "two that differ",
    post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
    bad("content_length_repeated"),
  ],
  [
    "2",
    "two that are equal",
    post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    bad("content_length_repeated"),
  ],
  ["2", "leading zero is decimal", post("Content-Length: 010\r\n", "0123456789"), ok],

  ...["identity", "gzip, chunked", "xchunked", "gzip"].map(
    (v) => ["3", `coding ${v}`, coding(v), status(501, "transfer_encoding_unknown")] as const,
  ),
  ...[
    ",chunked",
    "chunked,",
    "chunked, identity",
    "chunked, chunked",
    "chunked;a=b",
    "",
    "\xffchunked\xff",
    "\xa0chunked",
  ].map((v) => ["3", `coding ${JSON.stringify(v)}`, coding(v), te] as const),
  ...["\x0bchunked", "\x0cchunked", "chunked\x00"].map(
    (v) => ["3", `coding ${JSON.stringify(v)}`, coding(v), bad("field_value")] as const,
  ),
  [
    "3",
    "two lines",
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    bad("transfer_encoding_repeated"),
  ],
  [
    "3",
    "two lines, identity first",
    post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    status(501, "transfer_encoding_unknown"),
  ],
  ["3", "space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), bad("field_name")],
  ["3", "underscore", post("Transfer_Encoding: chunked\r\n", "0\r\n\r\n"), bad("disguised_framing")],
  ["3", "underscore in length", post("Content_Length: 5\r\n", "hello"), bad("disguised_framing")],
  ["3", "folded", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), bad("obs_fold")],
  [
    "3",
    "in HTTP/1.0",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    bad("transfer_encoding_version"),
  ],
  [
    "3",
    "on CONNECT",
    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n",
    bad("connect_body"),
  ],
  ["3", "any case", coding("CHUNKED"), ok],

  ...["0x5", "+5", "-1", "5_0", " 5", "5 ", "Z", "", "1these-bytes", "5\t"].map(
    (v) => ["4", `size ${JSON.stringify(v)}`, chunks(`${v}\r\nhello\r\n0\r\n\r\n`), size] as const,
  ),
  ["4", "17 digits", chunks("ffffffffffffffff1\r\n"), size],
  ["4", "17 digits, zeros", chunks("00000000000000005\r\nhello\r\n0\r\n\r\n"), size],
  ["4", "2^53", chunks("20000000000000\r\n"), size],
  ["4", "16 digits", chunks("0000000000000005\r\nhello\r\n0\r\n\r\n"), ok],

  ["5", "LF after the size", chunks("5\nhello\r\n0\r\n\r\n"), size],
  ["5", "LF in the extension", chunks("5;\nhello\r\n0\r\n\r\n"), extension],
  ["5", "CR CR", chunks("5\r\r;ABCD\r\nhello\r\n0\r\n\r\n"), bad("bare_cr")],
  ["5", "CR CR in the extension", chunks("41;a=b\r\rXhello\r\n0\r\n\r\n"), bad("bare_cr")],
  ["5", "CRLF in a quoted value", chunks('5;a="\r\n"\r\nhello\r\n0\r\n\r\n'), extension],
  ["5", "CR for CRLF", chunks("5\rhello\r\n0\r\n\r\n"), bad("bare_cr")],
  ["5", "spill", chunks("5\r\nhelloXX0\r\n\r\n"), bad("chunk_end")],
  ["5", "data ended by LF", chunks("5\r\nhello\n0\r\n\r\n"), bad("chunk_end")],
  ["5", "last chunk ended by LF", chunks("0\n\r\n"), size],
  ["5", "unterminated trailer", chunks("0\r\nX: a"), bad("truncated")],
  ["5", "long extension", chunks(`5;${"a".repeat(65536)}\r\nhello\r\n0\r\n\r\n`), bad("chunk_line_too_long")],
  ["5", "CTL in an extension", chunks("5;a=\x01\r\nhello\r\n0\r\n\r\n"), extension],
  ["5", "empty extension", chunks("5;\r\nhello\r\n0\r\n\r\n"), extension],
  ["5", "extensions", chunks('5;a;b=c;d="e \\" ;f"\r\nhello\r\n0;x=y\r\n\r\n'), ok],

  ["6", "LF after a field", get("X: a\nY: b\r\n"), bad("bare_lf")],
  ["6", "LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\nGET /", bad("bare_lf")],
  ["6", "LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", bad("bare_lf")],
  ["6", "CR in a value", get("X: a\rb\r\n"), bad("bare_cr")],
  ["6", "CR in a name", get("X\rY: a\r\n"), bad("field_name")],
  ["6", "NUL in a value", get("X: a\0b\r\n"), bad("field_value")],
  ["6", "DEL in a value", get("X: a\x7fb\r\n"), bad("field_value")],
  [
    "6",
    "CR and no LF at the end",
    "GET / HTTP/1.1\r\nHost: a\r\n\rXGET /evil HTTP/1.1\r\n\r\n",
    bad("bare_cr"),
  ],
  ["6", "folded", get("X: a\r\n b\r\n"), bad("obs_fold")],
  ["6", "empty name", get(":\r\n"), bad("field_name")],
  ["6", "empty name with a value", get(": v\r\n"), bad("field_name")],
  ["6", "no colon", get("X\r\n"), bad("field_name")],
  ["6", "space before the colon", get("X : a\r\n"), bad("field_name")],
  ["6", "tab before the colon", get("X\t: a\r\n"), bad("field_name")],
  ["6", "space on the first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", bad("obs_fold")],
  ...[...'"(),/;<=>?@[]{}\\\x80\xff'].map(
    (c) => ["6", `${JSON.stringify(c)} in a name`, get(`X${c}Y: a\r\n`), bad("field_name")] as const,
  ),
  ["6", "CRLF in a name", post("Content-\r\nLength: 5\r\n", "hello"), bad("field_name")],
  ["6", "obs-text in a value", get("X: \x85a\xa0\xff\r\n"), ok],

  ["7", "two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", bad("target", "request_line")],
  ["7", "two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", bad("version")],
  ["7", "tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", bad("method")],
  ["7", "no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", bad("target")],
  ["7", "LF for the space", "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n", bad("target")],
  ...[
    "HTTP/1.10",
    "HTTP/01.1",
    "HTTP/4294967295.255",
    "http/1.1",
    "HTTP/0.9",
    "HTTP/1.",
    "HTTP/1,1",
    "HTTP1.1",
    " HTTP/1.1",
  ].map((v) => ["7", v, `GET / ${v}\r\nHost: a\r\n\r\n`, bad("version")] as const),
  ...["HTTP/2.0", "HTTP/1.2", "HTTP/3.0"].map(
    (v) => ["7", v, `GET / ${v}\r\nHost: a\r\n\r\n`, status(505, "version_unsupported")] as const,
  ),
  ["7", "HTTP/0.9 without a version", "GET /\r\n", bad("target")],
  ...["/a b", "/\x01", "/\x80", "/\xff", "/a#b", "/\x7f", "/a\tb"].map(
    (v) =>
      [
        "7",
        `target ${JSON.stringify(v)}`,
        `GET ${v} HTTP/1.1\r\nHost: a\r\n\r\n`,
        bad("target", "version"),
      ] as const,
  ),
  ["7", "method that is no token", 'G=":<>(e) / HTTP/1.1\r\nHost: a\r\n\r\n', bad("method")],
  ["7", "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bad("http2_preface")],
  ["7", "target of no form", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", bad("target_form")],
  ["7", "* without OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", bad("target_form")],
  ["7", "CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", bad("target_form")],
  ["7", "CONNECT with a path", "CONNECT /a:1 HTTP/1.1\r\nHost: a\r\n\r\n", bad("target_form")],
  ["7", "other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", bad("target_form")],

  ["8", "no Host", "GET / HTTP/1.1\r\n\r\n", bad("host_missing")],
  ["8", "two", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", bad("host_repeated")],
  ["8", "two that are equal", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", bad("host_repeated")],
  ...[
    "a, b",
    "a,b",
    "u@a",
    "a/b",
    "",
    "a b",
    "a:",
    "a:b",
    "a:65536",
    "[::1",
    "[::g]",
    "a?b",
    "a%00.b",
    ":80",
    "\xe4",
  ].map(
    (v) => ["8", `Host ${JSON.stringify(v)}`, `GET / HTTP/1.1\r\nHost: ${v}\r\n\r\n`, bad("host")] as const,
  ),
  ["8", "NUL in Host", "GET / HTTP/1.1\r\nHost: a\x00.b\r\n\r\n", bad("field_value")],
  ["8", "bad authority in the target", "GET http://u@evil/ HTTP/1.1\r\nHost: a\r\n\r\n", bad("target_form")],
  ...["a", "A.b-c_d~e.", "a:80", "[::1]", "[::1]:8080", "127.0.0.1:65535"].map(
    (v) => ["8", `Host ${v}`, `GET / HTTP/1.1\r\nHost: ${v}\r\n\r\n`, ok] as const,
  ),
  ["8", "empty for the target *", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", ok],
  ["8", "absolute form beside Host", "GET http://evil/ HTTP/1.1\r\nHost: good\r\n\r\n", ok],
  ["8", "HTTP/1.0 without", "CONNECT a:443 HTTP/1.0\r\n\r\n", ok],

  [
    "9",
    "GET with a body, then another",
    `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello${get("")}`,
    ok,
  ],
  [
    "9",
    "HEAD with chunks, then another",
    `HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${get("")}`,
    ok,
  ],
  ["9", "OPTIONS with a body", "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", ok],

  ["10", "junk expectation", get("Expect: 200-ok\r\n"), status(417, "expectation")],
  ["10", "100-continue and junk", get("Expect: 100-continue, x\r\n"), status(417, "expectation")],
  ["10", "100-continue", post("Expect: 100-Continue\r\nContent-Length: 5\r\n", "hello"), ok],
];

function judge(trace: Trace, verdict: Verdict): void {
  expect(verdict.codes).toContain(trace.error?.code ?? "ok");
  if (trace.error !== null) expect(trace.error.status as number).toBe(verdict.status);
}

/** The same stream in every cut must tell the same story, however the owner answers. */
function everyCut(bytes: Uint8Array, run: (pieces: readonly Uint8Array[]) => Trace): void {
  const whole = run([bytes]);
  expect(run(byteByByte(bytes))).toEqual(whole);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (at) => {
      expect(run(cut(bytes, at))).toEqual(whole);
    }),
    { seed: 31, numRuns: 25 },
  );
}

describe("HARDENING 3.1, requests", () => {
  for (const [row, name, text, verdict] of vectors) {
    test(`row ${row}: ${name}`, () => {
      const bytes = bytesOf(text);
      judge(traceRequests([bytes]), verdict);
      everyCut(bytes, (pieces) => traceRequests(pieces));
      everyCut(bytes, (pieces) => traceRequests(pieces, { next: "inside" }));
    });
  }

  test("every vector also behind a good request", () => {
    for (const [, , text, verdict] of vectors) {
      judge(traceRequests([bytesOf(post("Content-Length: 2\r\n", "hi") + text)]), verdict);
    }
  });

  test("nothing is taken for a request behind an error", () => {
    for (const [, , text, verdict] of vectors) {
      if (verdict === ok) continue;
      const trace = traceRequests([bytesOf(text), bytesOf(get(""))]);
      expect(trace.events.filter((e) => e.kind === "request").length).toBeLessThanOrEqual(1);
      expect(trace.events.filter((e) => e.kind === "end").length).toBeLessThanOrEqual(trace.error ? 0 : 1);
    }
  });

  test("row 13: 100 requests in one segment come in order", () => {
    const text = Array.from({ length: 100 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
    for (const next of ["inside", "after"] as const) {
      const trace = traceRequests([bytesOf(text)], { next });
      const targets = trace.events.flatMap((e) => (e.kind === "request" ? [e.head.target] : []));
      expect(targets).toEqual(Array.from({ length: 100 }, (_, i) => `/${i}`));
      expect(trace.error).toBeNull();
    }
  });

  test("row 13: trailers that would steer the message are dropped", () => {
    const names = ["Transfer-Encoding", "Content-Length", "Host", "Authorization", "X-Forwarded-For", "TE"];
    const more = ["Connection", "Trailer", "Set-Cookie", "X_Sum", "X-Sum"];
    const trailers = [...names, ...more].map((n) => `${n}: 1\r\n`).join("");
    const trace = traceRequests([bytesOf(chunks(`0\r\n${trailers}\r\n`))]);
    expect(trace.events.at(1)).toEqual({ kind: "trailers", list: ["x-sum", "1"] });
  });
});

const answer = (fields: string, body = "", line = "HTTP/1.1 200 OK"): string =>
  `${line}\r\n${fields}\r\n${body}`;
const gone = (...codes: string[]): Verdict => status(502, ...codes);

const answers: readonly (readonly [name: string, bytes: string, verdict: Verdict, method?: string])[] = [
  [
    "CL and TE",
    answer("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    gone("length_and_encoding"),
  ],
  ["two CL", answer("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), gone("content_length_repeated")],
  ["no reason", answer("Content-Length: 0\r\n", "", "HTTP/1.1 200"), ok],
  ["no reason, with space", answer("Content-Length: 0\r\n", "", "HTTP/1.1 200 "), ok],
  [
    "204 with a body",
    answer("Content-Length: 5\r\n", "hello", "HTTP/1.1 204 No Content"),
    gone("response_flood"),
  ],
  [
    "304 with a body",
    answer("Content-Length: 5\r\n", "hello", "HTTP/1.1 304 Not Modified"),
    gone("response_flood"),
  ],
  ["HEAD with a body", answer("Content-Length: 5\r\n", "hello"), gone("response_flood"), "HEAD"],
  ["HEAD without", answer("Content-Length: 5\r\n"), ok, "HEAD"],
  [
    "bytes behind the end",
    answer("Content-Length: 2\r\n", "okHTTP/1.1 200 OK\r\n\r\n"),
    gone("response_flood"),
  ],
  ["close in the body", answer("Content-Length: 5\r\n", "hell"), gone("truncated")],
  ["close in a chunk", answer("Transfer-Encoding: chunked\r\n", "5\r\nhell"), gone("truncated")],
  [
    "close before the last chunk",
    answer("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
    gone("truncated"),
  ],
  ["close in the head", "HTTP/1.1 200 OK\r\nX: ", gone("truncated")],
  ["body until close", answer("", "hello"), ok],
  ["NUL in a value", answer("X: a\0\r\n"), gone("field_value")],
  ["LF in a value", answer("X: a\nSet-Cookie: b\r\n"), gone("bare_lf")],
  ["folded", answer("X: a\r\n b\r\n"), gone("obs_fold")],
  ["status of two digits", answer("", "", "HTTP/1.1 20 OK"), gone("status_line")],
  ["status 600", answer("", "", "HTTP/1.1 600 OK"), gone("status_line")],
  ["status 099", answer("", "", "HTTP/1.1 099 OK"), gone("status_line")],
  ["HTTP/2.0", answer("", "", "HTTP/2.0 200 OK"), gone("version_unsupported")],
  [
    "unknown coding",
    answer("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    gone("transfer_encoding_unknown"),
  ],
  [
    "chunks in HTTP/1.0",
    answer("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "HTTP/1.0 200 OK"),
    gone("transfer_encoding_version"),
  ],
  [
    "eight informational ones",
    `${"HTTP/1.1 103 Early\r\n\r\n".repeat(8)}${answer("Content-Length: 0\r\n")}`,
    ok,
  ],
  [
    "nine informational ones",
    `${"HTTP/1.1 103 Early\r\n\r\n".repeat(9)}${answer("Content-Length: 0\r\n")}`,
    gone("informational_flood"),
  ],
];

describe("HARDENING 3.1 row 12, responses", () => {
  for (const [name, text, verdict, method] of answers) {
    test(name, () => {
      const options = { method: method ?? "GET" };
      judge(traceResponses([[bytesOf(text)]], options), verdict);
      // A flood that comes in a later piece is met after onEnd, one in the same piece before it: same verdict.
      everyCut(bytesOf(text), (pieces) => traceResponses([pieces], options));
    });
  }
});
