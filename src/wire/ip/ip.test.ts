import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatIp, parseCidr, parseIp, unmapped } from "./index.ts";

describe("addresses", () => {
  test("every address survives text and back", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const bytes = parseIp(text)!;
        const again = parseIp(formatIp(bytes))!;
        expect(formatIp(again)).toBe(formatIp(bytes));
      }),
    );
  });

  test("bytes survive text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const mapped = bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255;
        if (!mapped) expect([...parseIp(formatIp(bytes))!]).toEqual([...bytes]);
      }),
    );
  });

  test("IPv6 is written as RFC 5952 says", () => {
    const cases = {
      "2001:0db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
      "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
      "0:0:0:0:0:0:0:0": "::",
      "::1": "::1",
      "fd77:240:0:0:0:0:0:9": "fd77:240::9",
      "::ffff:10.1.2.3": "10.1.2.3",
      "64:ff9b::10.1.2.3": "64:ff9b::a01:203",
    };
    for (const [from, to] of Object.entries(cases)) expect(formatIp(parseIp(from)!)).toBe(to);
  });

  test("what is no address is none", () => {
    for (const text of ["", "10.0.0", "10.0.0.256", "fe80::1%eth0", "reviews", "1:2:3"])
      expect(parseIp(text)).toBeUndefined();
    expect(() => formatIp(new Uint8Array(5))).toThrow("4 or 16 bytes");
    expect(unmapped("::ffff:10.1.2.3")).toBe("10.1.2.3");
    expect(unmapped("::ffff")).toBe("::ffff");
  });

  test("prefixes", () => {
    expect(parseCidr("10.0.0.0/8")?.prefix).toBe(8);
    expect(parseCidr("10.0.0.1")?.prefix).toBe(32);
    expect(parseCidr("fd77:240::/64")?.prefix).toBe(64);
    for (const text of ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "x/8", "fd77::1/64"])
      expect(parseCidr(text)).toBeUndefined();
  });
});
