import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sniffHttp } from "./sniff.ts";

const sniff = (text: string) => sniffHttp(Buffer.from(text, "latin1"));

describe("the first bytes of a plaintext connection", () => {
  test("are told apart", () => {
    const cases = {
      "GET / HTTP/1.1\r\n": "http/1.1",
      "POST /a?b=c HTTP/1.0\r\nHost": "http/1.0",
      "M-SEARCH * HTTP/1.1\n": "http/1.1",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": "h2c",
      "GET / HTTP/2.0\r\n": "none",
      "GET /\r\n": "none",
      " GET / HTTP/1.1\r\n": "none",
      "*1\r\n$4\r\nPING\r\n": "none",
      "\0\0\0\x08\x04\xd2\x16/": "none",
      PINGPINGPINGPINGPINGPING: "none",
      "GET /\x01": "none",
    };
    for (const [bytes, kind] of Object.entries(cases))
      expect([bytes, sniff(bytes)]).toEqual([bytes, kind as never]);
  });

  test("are waited for while they could become HTTP, and never longer than a first line may be", () => {
    for (const text of ["", "G", "GET", "PRI", "PRI * HTTP/2.0\r\n\r\nS", "GET /index", "GET / HTTP/1.1\r"])
      expect([text, sniff(text)]).toEqual([text, undefined]);
    expect(sniff(`GET /${"a".repeat(8191 - 5)}`)).toBeUndefined();
    expect(sniff(`GET /${"a".repeat(8192 - 5)}`)).toBe("http/1.1");
  });

  test("any split of a request leads to the same answer", () => {
    const whole = "OPTIONS /some/path?q=1 HTTP/1.1\r\nhost: a\r\n\r\n";
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length }), (n) => {
        const early = sniff(whole.slice(0, n));
        expect(early === undefined || early === "http/1.1").toBe(true);
      }),
    );
  });
});
