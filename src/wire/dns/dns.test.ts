import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Answer,
  aged,
  cutShort,
  encodeName,
  encodeQuery,
  encodeResponse,
  maxLabelBytes,
  maxNameBytes,
  maxPointers,
  maxRecords,
  type Query,
  rcode,
  readName,
  readQuery,
  readResponse,
  rrType,
} from "./index.ts";

const raw = (name: string, type: number = rrType.A): Uint8Array =>
  Buffer.concat([encodeName(name)!, Uint8Array.of(0, type, 0, 1)]);

const ask = (name: string, more: Partial<Query> = {}, type: number = rrType.A): Uint8Array =>
  encodeQuery({
    ...{ id: 0x1234, recursionDesired: true, checkingDisabled: false },
    question: { raw: raw(name, type) },
    ...more,
  });

const read = (bytes: Uint8Array): Query => {
  const got = readQuery(bytes);
  if (got === undefined || !("query" in got)) throw new Error(JSON.stringify(got));
  return got.query;
};

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 8 }).map((l) => l.join("."));

describe("names", () => {
  test("survive the wire, whatever their bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 6 }), (labels) => {
        const wire = Uint8Array.from([...labels.flatMap((l) => [l.length, ...l]), 0]);
        const got = readName(wire, 0)!;
        expect(got.end).toBe(wire.length);
        const lower = wire.map((b) => b);
        let at = 0;
        for (const l of labels) {
          for (let i = 0; i < l.length; i++) {
            const b = lower[at + 1 + i]!;
            if (b >= 65 && b <= 90) lower[at + 1 + i] = b + 32;
          }
          at += l.length + 1;
        }
        expect([...encodeName(got.name)!]).toEqual([...lower]);
      }),
    );
  });

  test("have at most 255 octets, and 63 a label", () => {
    const long = (n: number): string => Array.from({ length: n }, () => "a").join("");
    expect(encodeName(long(maxLabelBytes))).toBeDefined();
    expect(encodeName(long(maxLabelBytes + 1))).toBeUndefined();
    const full = [long(63), long(63), long(63), long(61)].join(".");
    expect(encodeName(full)!.length).toBe(maxNameBytes);
    expect(encodeName(`${full}b`)).toBeUndefined();
    expect(readName(encodeName(full)!, 0)?.name).toBe(full);
    const over = Uint8Array.from(
      [63, 63, 63, 62].flatMap((n) => [n, ...new Uint8Array(n).fill(97)]).concat(0),
    );
    expect(readName(over, 0)).toBeUndefined();
    for (const bad of ["a..b", "\\3", "\\999", "ü€"]) expect(encodeName(bad)).toBeUndefined();
  });

  test("follow pointers backwards only, and not for ever", () => {
    expect(readName(Uint8Array.of(1, 97, 0, 1, 98, 0xc0, 0), 3)).toEqual({ name: "b.a", end: 7 });
    expect(readName(Uint8Array.of(0xc0, 0), 0)).toBeUndefined();
    expect(readName(Uint8Array.of(0xc0, 2, 0xc0, 0), 2)).toBeUndefined();
    const chain = (n: number): Uint8Array =>
      Uint8Array.from([
        0,
        ...Array.from({ length: n }, (_, i) => [0xc0 | ((2 * i - 1) >> 8), i === 0 ? 0 : 2 * i - 1]).flatMap(
          ([a, b]) => [i0(a!), b!],
        ),
      ]);
    const i0 = (a: number): number => (a < 0 ? 0xc0 : a);
    expect(readName(chain(maxPointers), 2 * maxPointers - 1)).toBeDefined();
    expect(readName(chain(maxPointers + 1), 2 * maxPointers + 1)).toBeUndefined();
  });
});

describe("queries", () => {
  test("survive the wire", () => {
    fc.assert(
      fc.property(name, fc.integer({ min: 0, max: 65_535 }), fc.boolean(), (host, id, dnssecOk) => {
        const got = read(ask(host, { id, edns: { size: 1232, version: 0, dnssecOk } }));
        expect(got).toMatchObject({
          id,
          recursionDesired: true,
          question: { name: host, type: 1, class: 1 },
        });
        expect(got.edns).toEqual({ size: 1232, version: 0, dnssecOk });
      }),
    );
    expect(read(ask("a")).edns).toBeUndefined();
  });

  test("keep the asker's spelling for the answer", () => {
    const query = ask("reviews");
    query[13] = "R".charCodeAt(0);
    const { question } = read(query);
    expect(question.name).toBe("reviews");
    expect(Buffer.from(question.raw).toString("latin1")).toContain("Reviews");
  });

  test("that are malformed are refused or dropped, never thrown at", () => {
    expect(readQuery(new Uint8Array(11))).toBeUndefined();
    const response = ask("a");
    response[2] = 0x80;
    expect(readQuery(response)).toBeUndefined();
    const update = ask("a");
    update[2] = 5 << 3;
    expect(readQuery(update)).toEqual({ refused: rcode.notImp, id: 0x1234 });
    for (const [at, value] of [
      [5, 0],
      [5, 2],
      [12, 0xc0],
      [12, 0x40],
    ] as const) {
      const bytes = ask("abc");
      bytes[at] = value;
      expect(readQuery(bytes)).toMatchObject({ refused: rcode.formErr });
    }
    const two = ask("a", { edns: { size: 512, version: 0, dnssecOk: false } });
    two[11] = 2;
    expect(readQuery(two)).toMatchObject({ refused: rcode.formErr, question: { name: "a" } });
    const doubled = Buffer.concat([two, two.subarray(two.length - 11)]);
    expect(readQuery(doubled)).toMatchObject({ refused: rcode.formErr });
    const many = ask("a");
    many.set([(maxRecords + 1) >> 8, (maxRecords + 1) & 255], 10);
    expect(readQuery(many)).toMatchObject({ refused: rcode.formErr });
  });

  test("of any bytes are read without an exception, cut anywhere too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        readQuery(bytes);
        readResponse(bytes);
      }),
      { numRuns: 2000 },
    );
    const whole = ask("a.b.c", { edns: { size: 1232, version: 0, dnssecOk: true } });
    for (let n = 0; n < whole.length; n++) {
      const got = readQuery(whole.subarray(0, n));
      expect(got !== undefined && "query" in got).toBe(false);
    }
  });
});

describe("responses", () => {
  const address = (host: string, ttl: number, ...bytes: number[]): Answer => ({
    ...{ kind: "address", name: host, ttl, address: Uint8Array.from(bytes) },
  });
  const respond = (
    query: Query,
    answers: readonly Answer[],
    limit = 512,
    authority: readonly Answer[] = [],
  ) =>
    encodeResponse(
      {
        ...{ id: query.id, recursionDesired: true, authoritative: true, rcode: 0, question: query.question },
        ...{ answers, authority, additional: [], edns: query.edns !== undefined },
      },
      limit,
    );

  test("say what they are for, how long it holds, and age", () => {
    const query = read(ask("a.b"));
    const bytes = respond(query, [address("a.b", 30, 240, 240, 0, 1), address("a.b", 20, 240, 240, 0, 2)]);
    const got = readResponse(bytes)!;
    expect(got).toMatchObject({ id: 0x1234, rcode: 0, truncated: false, ttl: 20, positive: true });
    const older = aged(bytes, got, 7, 25);
    expect(readResponse(older)).toMatchObject({ id: 7, ttl: 0 });
    expect(readResponse(bytes)).toMatchObject({ ttl: 20 });
  });

  test("without an answer hold as long as the zone says", () => {
    const query = read(ask("a.b"));
    const soa: Answer = { kind: "soa", name: "b", ttl: 60, server: "ns.b", mailbox: "root.b", minimum: 5 };
    expect(readResponse(respond(query, [], 512, [soa]))).toMatchObject({ ttl: 5, positive: false });
    expect(readResponse(respond(query, []))).toMatchObject({ ttl: undefined, positive: false });
  });

  test("that are too long are cut at a record, and say so", () => {
    const query = read(ask("a.b", { edns: { size: 1232, version: 0, dnssecOk: false } }));
    const many = Array.from({ length: 60 }, (_, i) => address("a.b", 30, 10, 0, 0, i));
    // Header 12, question 9, OPT 11, each record 16.
    const fits = (n: number): number => 12 + 9 + 11 + 16 * n;
    for (const limit of [fits(30), fits(30) + 15]) {
      const bytes = respond(query, many, limit);
      expect(bytes.length).toBe(fits(30));
      expect(readResponse(bytes)).toMatchObject({ truncated: true });
    }
    expect(readResponse(respond(query, many, fits(60)))).toMatchObject({ truncated: false });
    const whole = respond(query, many, 65_535);
    const short = cutShort(whole, readResponse(whole)!);
    expect(readResponse(short)).toMatchObject({
      truncated: true,
      positive: false,
      question: { name: "a.b" },
    });
  });

  test("carry services and pointers", () => {
    const query = read(ask("_http._tcp.a.b", {}, rrType.SRV));
    const srv: Answer = {
      ...{
        kind: "srv",
        name: "_http._tcp.a.b",
        ttl: 30,
        priority: 0,
        weight: 100,
        port: 9080,
        target: "a.b",
      },
    };
    const text = Buffer.from(respond(query, [srv])).toString("hex");
    expect(text).toEndWith("0021000100000" + "01e000b" + "0000" + "0064" + "2378" + "0161016200");
    const ptr: Answer = { kind: "ptr", name: "1.0.240.240.in-addr.arpa", ttl: 30, target: "a.b" };
    const got = readResponse(respond(read(ask("1.0.240.240.in-addr.arpa", {}, rrType.PTR)), [ptr]));
    expect(got).toMatchObject({ positive: true, ttl: 30 });
  });
});
