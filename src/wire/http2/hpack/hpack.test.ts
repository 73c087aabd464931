import { describe, expect, test } from "bun:test";
import { seededRng } from "../../../base/index.ts";
import { errorCodes } from "../errors.ts";
import { defaultHttp2Limits, type Http2Limits } from "../limits.ts";
import { OutputBuffer } from "../output.ts";
import { HpackDecoder, HpackEncoder } from "./index.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const withLimits = (limits: Partial<Http2Limits>): Http2Limits => ({ ...defaultHttp2Limits, ...limits });

/** The list, or the reason of the error. */
function decode(decoder: HpackDecoder, block: Uint8Array): string[] | string {
  const list: string[] = [];
  const error = decoder.decode(block, list);
  if (error === null) return list;
  expect([error.level, error.code]).toEqual(["connection", errorCodes.compressionError]);
  return error.reason.replace("http2.hpack_", "");
}
function encode(
  encoder: HpackEncoder,
  list: readonly string[],
  neverIndexed?: readonly string[],
): Uint8Array {
  const out = new OutputBuffer();
  encoder.encode(list as string[], out, neverIndexed);
  return Uint8Array.from(out.view());
}
const fresh = (block: string, limits?: Http2Limits): string[] | string =>
  decode(new HpackDecoder(limits), hex(block));

describe("decoder", () => {
  test("RFC 7541 C.3, C.4: requests, plain and Huffman-coded", () => {
    const start = (scheme: string, path: string): string[] => [
      ":method",
      "GET",
      ":scheme",
      scheme,
      ":path",
      path,
      ":authority",
      "www.example.com",
    ];
    const lists = [
      start("http", "/"),
      [...start("http", "/"), "cache-control", "no-cache"],
      [...start("https", "/index.html"), "custom-key", "custom-value"],
    ];
    const plain = new HpackDecoder();
    const coded = new HpackDecoder();
    for (const [i, [a, b]] of [
      ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"],
      ["8286 84be 5808 6e6f 2d63 6163 6865", "8286 84be 5886 a8eb 1064 9cbf"],
      [
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ].entries()) {
      expect(decode(plain, hex(a!))).toEqual(lists[i]!);
      expect(decode(coded, hex(b!))).toEqual(lists[i]!);
    }
  });

  test("RFC 7541 C.6: responses that push each other out of a table of 256 octets", () => {
    const decoder = new HpackDecoder();
    decoder.setMaxTableSize(256);
    const date = (second: number): string => `Mon, 21 Oct 2013 20:13:${second} GMT`;
    const list = (status: string, second: number): string[] => [
      ...[":status", status, "cache-control", "private", "date", date(second)],
      ...["location", "https://www.example.com"],
    ];
    const first =
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    // The update that lowering the table calls for: 256.
    expect(decode(decoder, hex(`3fe101 ${first}`))).toEqual(list("302", 21));
    expect(decode(decoder, hex("4883 640e ffc1 c0bf"))).toEqual(list("307", 21));
    expect(
      decode(
        decoder,
        hex(
          "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ),
      ),
    ).toEqual([
      ...list("200", 22),
      ...["content-encoding", "gzip", "set-cookie"],
      "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ]);
  });

  const wrong: readonly (readonly [string, string, string])[] = [
    ["index 0", "80", "index"],
    ["index behind the static table", "be", "index"],
    ["name index behind the static table", "7e 00", "index"],
    ["name index without indexing behind it", "0f 2f 00", "index"],
    ["integer without an end", "ff ff ff ff ff ff 7f", "integer"],
    ["integer of 2^31", "ff 81 ff ff ff 07", "integer"],
    ["integer with more octets than it needs for anything", "ff 80 80 80 80 80 00", "integer"],
    ["integer cut", "ff 80", "truncated"],
    ["literal cut before its name", "40", "truncated"],
    ["literal cut in its name", "40 03 61 62", "truncated"],
    ["literal cut before its value", "40 01 61", "truncated"],
    ["literal cut in its value", "42 03 61 62", "truncated"],
    ["length beyond the block", "42 7f ff ff ff 07 61", "truncated"],
    ["EOS in a string", "42 84 ff ff ff ff", "huffman"],
    ["eight bits of padding", "42 82 1f ff", "huffman"],
    ["padding that is not ones", "42 81 18", "huffman"],
    ["only padding, a whole octet of it", "42 81 ff", "huffman"],
    ["size update behind a field", "82 20", "late_update"],
    ["size update beyond what was announced", "3f e2 1f", "update_too_large"],
    ["size update cut", "3f", "truncated"],
  ];
  for (const [name, block, reason] of wrong) {
    test(`${name}: ${reason}`, () => expect(fresh(block)).toBe(reason));
  }

  test("edges that are right", () => {
    expect(fresh("")).toEqual([]);
    expect(fresh("42 00")).toEqual([":method", ""]);
    expect(fresh("42 80")).toEqual([":method", ""]);
    // Seven bits of padding: "a" is five zeros and ones, so "aaaaa" fills 25 bits.
    expect(fresh("42 84 18 c6 31 ff")).toEqual([":method", "aaaaa"]);
    expect(fresh("3f e1 1f 20 82")).toEqual([":method", "GET"]);
    expect(fresh("20 40 01 61 01 62")).toEqual(["a", "b"]);
    // Octets of no value in an integer (RFC 7541 has no shortest form).
    expect(fresh("ff 80 80 80 80 00 be")).toBe("index");
  });

  test("a lowered table must be announced by the next block, as low as it was", () => {
    const lowered = (...sizes: readonly number[]): HpackDecoder => {
      const decoder = new HpackDecoder();
      for (const size of sizes) decoder.setMaxTableSize(size);
      return decoder;
    };
    expect(decode(lowered(100), hex("82"))).toBe("update_missing");
    expect(decode(lowered(100), hex("3f46 82"))).toBe("update_too_large");
    expect(decode(lowered(100), hex("3f45 82"))).toEqual([":method", "GET"]);
    expect(decode(lowered(0, 4096), hex("82"))).toBe("update_missing");
    expect(decode(lowered(0, 4096), hex("3fe11f 82"))).toBe("update_missing");
    expect(decode(lowered(0, 4096), hex("20 3fe11f 82"))).toEqual([":method", "GET"]);
    expect(decode(lowered(8192), hex("82"))).toEqual([":method", "GET"]);
    expect(decode(lowered(8192), hex("3fe13f 82"))).toEqual([":method", "GET"]);
    expect(decode(lowered(8192), hex("3fe23f 82"))).toBe("update_too_large");
  });

  test("a field larger than the table empties it", () => {
    const decoder = new HpackDecoder();
    expect(decode(decoder, hex("3f21 40 01 61 01 62"))).toEqual(["a", "b"]);
    expect(decode(decoder, hex("be"))).toEqual(["a", "b"]);
    // 64 octets: 32 + 1 + 31 fit, one more does not.
    decode(decoder, hex(`40 01 61 1f ${"63".repeat(31)}`));
    expect(decode(decoder, hex("be"))).toEqual(["a", "c".repeat(31)]);
    decode(decoder, hex(`40 01 61 20 ${"63".repeat(32)}`));
    expect(decode(decoder, hex("be"))).toBe("index");
  });

  test("a field may take its name from the one it pushes out", () => {
    const decoder = new HpackDecoder();
    decode(decoder, hex("3f21 40 02 6162 01 63"));
    expect(decode(decoder, hex(`7e 1d ${"64".repeat(29)}`))).toEqual(["ab", "d".repeat(29)]);
    expect(decode(decoder, hex("be"))).toEqual(["ab", "d".repeat(29)]);
  });
});

describe("limits, at each and one past it", () => {
  test("maxHeaderCount: the rest is decoded for the table and left out", () => {
    const decoder = new HpackDecoder(withLimits({ maxHeaderCount: 2 }));
    expect(decode(decoder, hex("82 84"))).toEqual([":method", "GET", ":path", "/"]);
    expect(decoder.tooLarge).toBe(false);
    expect(decode(decoder, hex("82 84 40 01 61 01 62"))).toEqual([":method", "GET", ":path", "/"]);
    expect(decoder.tooLarge).toBe(true);
    expect(decode(decoder, hex("be"))).toEqual(["a", "b"]);
    expect(decoder.tooLarge).toBe(false);
  });

  test("maxHeaderListBytes: name, value and 32 for each field", () => {
    // :method GET is 42 octets, a: b is 34.
    const at = new HpackDecoder(withLimits({ maxHeaderListBytes: 76 }));
    expect(decode(at, hex("82 40 01 61 01 62"))).toEqual([":method", "GET", "a", "b"]);
    expect(at.tooLarge).toBe(false);
    const past = new HpackDecoder(withLimits({ maxHeaderListBytes: 75 }));
    expect(decode(past, hex("82 40 01 61 01 62"))).toEqual([":method", "GET"]);
    expect(past.tooLarge).toBe(true);
    // What comes after stays out even where it would fit.
    expect(decode(past, hex("82 40 01 61 01 62 82"))).toEqual([":method", "GET"]);
  });

  test("references to one field by the thousand (HTTP/2 bomb) stay within the limits", () => {
    const decoder = new HpackDecoder();
    const value = "63".repeat(3000);
    const seed = hex(`40 06 636f6f6b6965 7f b916 ${value}`);
    const list = decode(decoder, Buffer.concat([seed, new Uint8Array(30_000).fill(0xbe)])) as string[];
    expect(decoder.tooLarge).toBe(true);
    expect(list.length / 2).toBe(20);
  });

  test("headerTableBytes and encoderTableBytes", () => {
    expect(decode(new HpackDecoder(withLimits({ headerTableBytes: 8192 })), hex("3fe13f"))).toEqual([]);
    const small = new HpackEncoder(withLimits({ encoderTableBytes: 100 }));
    expect(encode(small, [":method", "GET"])).toEqual(hex("3f45 82"));
    small.setMaxTableSize(0xffffffff);
    expect(encode(small, [":method", "GET"])).toEqual(hex("82"));
    const usual = new HpackEncoder();
    usual.setMaxTableSize(0xffffffff);
    expect(encode(usual, [":method", "GET"])).toEqual(hex("82"));
  });
});

describe("malformed fields are told, and remembered in the table", () => {
  const field = (name: string, value: string): Uint8Array =>
    Buffer.concat([
      hex("40"),
      ...[name, value].map((s) => Buffer.concat([Buffer.from([s.length]), Buffer.from(s, "latin1")])),
    ]);
  const cases: readonly (readonly [string, string, string])[] = [
    ["", "x", "field name is empty"],
    ["Accept", "x", "field name is not a lower-case token"],
    ["a b", "x", "field name is not a lower-case token"],
    ["a:b", "x", "field name is not a lower-case token"],
    ["a\r\nb", "x", "field name is not a lower-case token"],
    ["a\0", "x", "field name is not a lower-case token"],
    ["a\xe4", "x", "field name is not a lower-case token"],
    [":status ", "200", "unknown pseudo-header field"],
    [":foo", "x", "unknown pseudo-header field"],
    [":", "x", "unknown pseudo-header field"],
    ["connection", "close", "connection-specific field"],
    ["keep-alive", "1", "connection-specific field"],
    ["proxy-connection", "close", "connection-specific field"],
    ["transfer-encoding", "chunked", "connection-specific field"],
    ["upgrade", "h2c", "connection-specific field"],
    ["te", "gzip", "te is not: trailers"],
    ["te", "trailers, gzip", "te is not: trailers"],
    ["a", "b\0", "field value holds a control character"],
    ["a", "b\r\nc: d", "field value holds a control character"],
    ["a", "b\nc", "field value holds a control character"],
    ["a", "\x7f", "field value holds a control character"],
    ["a", " b", "field value begins or ends with white space"],
    ["a", "b\t", "field value begins or ends with white space"],
    [":path", "/ ", "field value begins or ends with white space"],
    ["te", "trailers", ""],
    ["te", "Trailers", ""],
    ["a", "", ""],
    ["a", "\xe4\xff b\tc", ""],
    [":protocol", "websocket", ""],
  ];
  for (const [name, value, why] of cases) {
    test(`${JSON.stringify(name)}: ${JSON.stringify(value)}`, () => {
      const decoder = new HpackDecoder();
      expect([decode(decoder, field(name, value)), decoder.malformed]).toEqual([[name, value], why]);
      expect([decode(decoder, hex("82")), decoder.malformed]).toEqual([[":method", "GET"], ""]);
      expect([decode(decoder, hex("be 82")), decoder.malformed]).toEqual([
        [name, value, ":method", "GET"],
        why,
      ]);
    });
  }

  test("also by the static table, and by a name taken from the table", () => {
    const decoder = new HpackDecoder();
    decode(decoder, hex("b9"));
    expect(decoder.malformed).toBe("connection-specific field");
    decode(decoder, hex("7901 61"));
    expect(decoder.malformed).toBe("connection-specific field");
    decode(decoder, field("te", "trailers"));
    decode(decoder, hex("7e 01 61"));
    expect(decoder.malformed).toBe("te is not: trailers");
    decode(decoder, hex("7f 00 08 747261696c657273"));
    expect(decoder.malformed).toBe("");
  });
});

describe("encoder", () => {
  test("fields known to the table are one octet each", () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const list = [
      ":method",
      "POST",
      ":scheme",
      "http",
      ":path",
      "/a.b/C",
      ":authority",
      "a.b",
      "te",
      "trailers",
    ];
    const sizes = [1, 2, 3].map(() => {
      const block = encode(encoder, list);
      expect(decode(decoder, block)).toEqual(list);
      return block.length;
    });
    expect(sizes[2]).toBe(5);
    expect(sizes[0]).toBeGreaterThan(20);
  });

  test("volatile values enter the table when they come again, unique ones never", () => {
    const encoder = new HpackEncoder();
    const length = (...list: string[]): number => encode(encoder, list).length;
    expect([1, 2, 3].map(() => length(":path", "/one"))).toEqual([5, 5, 1]);
    expect([1, 2, 3].map(() => length("x-request-id", "00000"))).toEqual([16, 16, 16]);
    // Eight others in between, and it is forgotten.
    expect(length(":path", "/two")).toBe(5);
    for (let i = 0; i < 8; i++) length(":path", `/other${i}`);
    expect([length(":path", "/two"), length(":path", "/two"), length(":path", "/two")]).toEqual([5, 5, 1]);
  });

  test("secrets go as never-indexed literals, and the decoder says which", () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const list = [
      "authorization",
      "Bearer x",
      "cookie",
      "a=1",
      "set-cookie",
      "b=2",
      "x-key",
      "secret",
      "x-plain",
      "1",
    ];
    for (let i = 0; i < 2; i++) {
      expect(decode(decoder, encode(encoder, list, ["x-key"]))).toEqual(list);
      expect(decoder.neverIndexed).toEqual(["authorization", "cookie", "set-cookie", "x-key"]);
    }
    const long = ["cookie", "session=0123456789abcdef"];
    decode(decoder, encode(encoder, long));
    expect(decoder.neverIndexed).toEqual([]);
    expect(encode(encoder, long).length).toBe(1);
    // What is in the table already is not used for it.
    expect(encode(encoder, long, ["cookie"])[0]! & 0xf0).toBe(0x10);
  });

  test("size updates: the smallest and the last of what was asked for since the last block", () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    const list = ["x-a", "1", "x-b", "2"];
    const both = (block: Uint8Array): void => expect(decode(decoder, block)).toEqual(list);
    const set = (...sizes: readonly number[]): void => {
      for (const size of sizes) {
        encoder.setMaxTableSize(size);
        decoder.setMaxTableSize(size);
      }
    };
    both(encode(encoder, list));
    set(36, 4096);
    const block = encode(encoder, list);
    expect(block.subarray(0, 5)).toEqual(hex("3f05 3fe11f"));
    both(block);
    // The 36 octets of x-b outlived it, so x-a is the newer now.
    expect(encode(encoder, list)).toEqual(hex("be bf"));
    set(0);
    both(encode(encoder, list));
    const again = encode(encoder, list);
    expect(again.length).toBeGreaterThan(8);
    both(again);
    set(4096);
    expect(encode(encoder, []).length).toBe(3);
  });

  test("a field too large for the table does not empty it", () => {
    const encoder = new HpackEncoder();
    encode(encoder, ["x-a", "1"]);
    encode(encoder, ["x-b", "x".repeat(4000)]);
    expect(encode(encoder, ["x-a", "1"])).toEqual(hex("be"));
  });

  test("lists of any size, through tables of any size, come back as they were", () => {
    const rng = seededRng(7);
    const encoder = new HpackEncoder(withLimits({ encoderTableBytes: 70_000 }));
    const decoder = new HpackDecoder(withLimits({ headerTableBytes: 70_000 }));
    const names = [
      ":path",
      "cookie",
      "date",
      "authorization",
      ...Array.from({ length: 40 }, (_, i) => `x-${i}`),
    ];
    for (let i = 0; i < 3000; i++) {
      if (rng.int(40) === 0) {
        for (let n = 1 + rng.int(3); n > 0; n--) {
          const size = [0, 33, 100, 4096, 65536][rng.int(5)]!;
          encoder.setMaxTableSize(size);
          decoder.setMaxTableSize(size);
        }
      }
      const list = Array.from({ length: rng.int(12) }, () => {
        const value = Array.from({ length: rng.int(3) === 0 ? rng.int(300) : rng.int(3) }, () =>
          String.fromCharCode(rng.int(4) === 0 ? rng.int(256) : 97 + rng.int(4)),
        ).join("");
        return [names[rng.int(names.length)]!, value];
      }).flat();
      expect(decode(decoder, encode(encoder, list))).toEqual(list);
    }
  });

  test("Huffman code of every octet, alone and beside others", () => {
    for (let octet = 0; octet < 256; octet++) {
      const one = String.fromCharCode(octet);
      // Enough "0"s to make the coded form the shorter one, whatever the octet takes.
      for (const value of [one, `${"0".repeat(12)}${one}`, `${one}${"0".repeat(12)}a${one}`]) {
        const list = ["x", value];
        expect(decode(new HpackDecoder(), encode(new HpackEncoder(), list))).toEqual(list);
      }
    }
  });
});
