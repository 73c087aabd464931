/** HARDENING 3.1 rows 1-8 as bytes: requests that a proxy must refuse. Only tests read it. */

const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const get = "GET / HTTP/1.1\r\nHost: a\r\n";
export const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const length = (value: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${value}\r\n\r\nhello`;
const encoding = (value: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${value}\r\n\r\n0\r\n\r\n`;

/** Row of HARDENING 3.1 -> bytes; each is followed by a request that must never be seen. */
export const attacks: readonly (readonly [string, string])[] = [
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
