import { describe, expect, test } from "bun:test";
import { byteByByte } from "../../../testkit/http1-trace.ts";
import { frame } from "../../../testkit/http2-frame.ts";
import { type FrameEvent, FrameRecorder, traceFrames } from "../../../testkit/http2-trace.ts";
import { connectionError, errorCodes, errorName, type Http2Error } from "../errors.ts";
import { HpackDecoder, HpackEncoder } from "../hpack/index.ts";
import { defaultHttp2Limits, type Http2Limits } from "../limits.ts";
import { FrameReader, FrameWriter, OutputBuffer, frameTypes as t } from "./index.ts";

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));
const u32 = (value: number): number[] => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
const settings = frame(t.settings, 0, 0);

/** What a client reads of these frames after the first SETTINGS; whole and byte by byte must be the same. */
function read(
  frames: readonly Uint8Array[],
  limits?: Http2Limits,
): [readonly FrameEvent[], Http2Error | null] {
  const all = Buffer.concat([settings, ...frames]);
  const whole = traceFrames("client", [all], limits);
  expect(traceFrames("client", byteByByte(all), limits)).toEqual(whole);
  return [whole.events.slice(1), whole.error];
}
/** The error of these frames, by name and reason. */
function failure(frames: readonly Uint8Array[], limits?: Http2Limits): string {
  const [, error] = read(frames, limits);
  return error === null ? "none" : `${errorName(error.code)} ${error.reason.replace("http2.", "")}`;
}
const withLimits = (limits: Partial<Http2Limits>): Http2Limits => ({ ...defaultHttp2Limits, ...limits });

describe("frame reader", () => {
  test("reads each type", () => {
    const [events, error] = read([
      frame(t.data, 0x9, 1, bytes(2, 104, 105, 0, 0)),
      frame(t.headers, 0x2c, 3, bytes(1, 0x80, 0, 0, 20, 9, 0x82, 0)),
      frame(t.priority, 0, 9, bytes(0, 0, 0, 11, 7)),
      frame(t.rstStream, 0, 5, bytes(...u32(8))),
      frame(t.settings, 0, 0, bytes(0, 1, ...u32(8192), 0, 99, ...u32(1), 0, 3, ...u32(5000))),
      frame(t.settings, 1, 0),
      frame(t.pushPromise, 0xc, 7, bytes(1, ...u32(12), 0x82, 0)),
      frame(t.ping, 0, 0, ascii("deadbeef")),
      frame(t.ping, 1, 0, ascii("deadbeef")),
      frame(t.goaway, 0, 0, bytes(...u32(0x8000001e), ...u32(9), 104, 105)),
      frame(t.windowUpdate, 0, 50, bytes(...u32(0x800003e8))),
      frame(t.windowUpdate, 0, 0, bytes(...u32(1))),
      frame(t.priorityUpdate, 0, 0, bytes(...u32(3), 117)),
      frame(t.data, 1, 0x80000001),
    ]);
    expect(error).toBeNull();
    expect(events).toEqual([
      { kind: "data", streamId: 1, text: "hi", length: 5, padding: 3, endStream: true },
      { kind: "headers", streamId: 3, block: "\x82", endStream: false, fault: null },
      { kind: "priority", streamId: 9 },
      { kind: "reset", streamId: 5, code: 8 },
      { kind: "settings", streamId: 0, values: [1, 8192, 3, 5000] },
      { kind: "settingsAck", streamId: 0 },
      { kind: "push", streamId: 7, promisedId: 12, block: "\x82" },
      { kind: "ping", streamId: 0, ack: false, payload: "deadbeef" },
      { kind: "ping", streamId: 0, ack: true, payload: "deadbeef" },
      { kind: "goaway", streamId: 0, lastStreamId: 30, code: 9, debug: "hi" },
      { kind: "windowUpdate", streamId: 50, increment: 1000 },
      { kind: "windowUpdate", streamId: 0, increment: 1 },
      { kind: "priority", streamId: 3 },
      { kind: "data", streamId: 1, text: "", length: 0, padding: 0, endStream: true },
    ]);
  });

  test("hands DATA on before the frame is whole, its cost with the first piece", () => {
    const seen: [string, number, number, boolean][] = [];
    const recorder = new FrameRecorder();
    recorder.onData = (_id, chunk, length, padding, endStream) => {
      seen.push([Buffer.from(chunk).toString(), length, padding, endStream]);
      return null;
    };
    const reader = new FrameReader("client", recorder);
    reader.feed(settings);
    const data = frame(t.data, 0x9, 1, bytes(3, 97, 98, 99, 100, 0, 0, 0));
    for (const [from, to] of [
      [0, 10],
      [10, 12],
      [12, 15],
      [15, 17],
    ]) {
      reader.feed(data.subarray(from, to));
    }
    expect(seen).toEqual([
      ["ab", 8, 1, false],
      ["cd", 0, 1, false],
      ["", 0, 2, true],
    ]);
    expect(reader.idle).toBe(true);
  });

  test("a whole frame in the middle of a read is not copied", () => {
    const recorder = new FrameRecorder();
    let block: Uint8Array = bytes();
    recorder.onHeaders = (_id, b) => {
      block = b;
      return null;
    };
    const all = Uint8Array.from(
      Buffer.concat([settings, frame(t.headers, 4, 1, bytes(0x82, 0x84)), settings]),
    );
    new FrameReader("client", recorder).feed(all);
    expect([block.buffer === all.buffer, block.byteOffset]).toEqual([true, settings.length + 9]);
  });

  test("the preface comes first on a server, SETTINGS first everywhere", () => {
    const preface = ascii("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const ok = traceFrames("server", byteByByte(Buffer.concat([preface, settings])));
    expect([ok.error, ok.events.length, ok.idle]).toEqual([null, 1, true]);
    expect(traceFrames("server", [preface.subarray(0, 20)]).idle).toBe(false);
    const reasonOf = (role: "client" | "server", ...pieces: Uint8Array[]): string | undefined =>
      traceFrames(role, pieces).error?.reason;
    expect(reasonOf("server", ascii("GET / HTTP/1.1\r\n"))).toBe("http2.preface");
    expect(reasonOf("server", ascii("PRI * HTTP/2.0\r\n\r\nSN"))).toBe("http2.preface");
    expect(reasonOf("server", preface, frame(t.ping, 0, 0, new Uint8Array(8)))).toBe("http2.first_frame");
    expect(reasonOf("client", frame(t.headers, 5, 1, bytes(0x88)))).toBe("http2.first_frame");
    expect(reasonOf("client", frame(t.settings, 1, 0))).toBe("http2.first_frame");
  });

  test("an error of the handler ends reading for good", () => {
    const stop = connectionError(errorCodes.internalError, "test", "stop");
    const recorder = new FrameRecorder();
    recorder.onSettingsAck = () => stop;
    const reader = new FrameReader("client", recorder);
    const ping = frame(t.ping, 0, 0, new Uint8Array(8));
    expect(reader.feed(Buffer.concat([settings, frame(t.settings, 1, 0), ping]))).toBe(stop);
    expect(reader.feed(ping)).toBe(stop);
    expect(recorder.events.map((e) => e.kind)).toEqual(["settings"]);
  });

  const wrong: readonly (readonly [string, string, ...Uint8Array[]])[] = [
    ["DATA on stream 0", "PROTOCOL_ERROR stream_zero", frame(t.data, 0, 0, bytes(1))],
    ["DATA all padding and more", "PROTOCOL_ERROR padding", frame(t.data, 8, 1, bytes(4, 1, 2, 3))],
    ["padded DATA without a length", "FRAME_SIZE_ERROR frame_size", frame(t.data, 8, 1)],
    [
      "DATA over the frame size",
      "FRAME_SIZE_ERROR frame_too_large",
      frame(t.data, 0, 1, new Uint8Array(16385)),
    ],
    ["HEADERS on stream 0", "PROTOCOL_ERROR stream_zero", frame(t.headers, 4, 0, bytes(0x82))],
    ["HEADERS padding", "PROTOCOL_ERROR padding", frame(t.headers, 0xc, 1, bytes(2, 0x82))],
    [
      "HEADERS padding into priority",
      "PROTOCOL_ERROR padding",
      frame(t.headers, 0x2c, 1, bytes(1, 0, 0, 0, 0, 0)),
    ],
    [
      "HEADERS too short for priority",
      "FRAME_SIZE_ERROR frame_size",
      frame(t.headers, 0x24, 1, bytes(0, 0, 0, 0)),
    ],
    ["PRIORITY on stream 0", "PROTOCOL_ERROR stream_zero", frame(t.priority, 0, 0, new Uint8Array(5))],
    ["RST_STREAM on stream 0", "PROTOCOL_ERROR stream_zero", frame(t.rstStream, 0, 0, new Uint8Array(4))],
    ["RST_STREAM of 5", "FRAME_SIZE_ERROR frame_size", frame(t.rstStream, 0, 1, new Uint8Array(5))],
    ["SETTINGS on a stream", "PROTOCOL_ERROR stream_not_zero", frame(t.settings, 0, 1)],
    ["SETTINGS of 5", "FRAME_SIZE_ERROR frame_size", frame(t.settings, 0, 0, new Uint8Array(5))],
    [
      "SETTINGS acknowledgement of 6",
      "FRAME_SIZE_ERROR frame_size",
      frame(t.settings, 1, 0, new Uint8Array(6)),
    ],
    ["ENABLE_PUSH 2", "PROTOCOL_ERROR setting", frame(t.settings, 0, 0, bytes(0, 2, ...u32(2)))],
    [
      "window 2^31",
      "FLOW_CONTROL_ERROR setting_window",
      frame(t.settings, 0, 0, bytes(0, 4, ...u32(2 ** 31))),
    ],
    ["frame size 16,383", "PROTOCOL_ERROR setting", frame(t.settings, 0, 0, bytes(0, 5, ...u32(16383)))],
    ["frame size 2^24", "PROTOCOL_ERROR setting", frame(t.settings, 0, 0, bytes(0, 5, ...u32(2 ** 24)))],
    ["CONNECT_PROTOCOL 2", "PROTOCOL_ERROR setting", frame(t.settings, 0, 0, bytes(0, 8, ...u32(2)))],
    ["PUSH_PROMISE on 0", "PROTOCOL_ERROR stream_zero", frame(t.pushPromise, 4, 0, bytes(0, 0, 0, 2))],
    ["PUSH_PROMISE of 3", "FRAME_SIZE_ERROR frame_size", frame(t.pushPromise, 4, 1, bytes(0, 0, 2))],
    [
      "PUSH_PROMISE of an odd stream",
      "PROTOCOL_ERROR promised_id",
      frame(t.pushPromise, 4, 1, bytes(0, 0, 0, 3)),
    ],
    ["PUSH_PROMISE of stream 0", "PROTOCOL_ERROR promised_id", frame(t.pushPromise, 4, 1, bytes(0, 0, 0, 0))],
    ["PUSH_PROMISE padding", "PROTOCOL_ERROR padding", frame(t.pushPromise, 0xc, 1, bytes(1, 0, 0, 0, 2))],
    ["PING on a stream", "PROTOCOL_ERROR stream_not_zero", frame(t.ping, 0, 1, new Uint8Array(8))],
    ["PING of 7", "FRAME_SIZE_ERROR frame_size", frame(t.ping, 0, 0, new Uint8Array(7))],
    ["GOAWAY on a stream", "PROTOCOL_ERROR stream_not_zero", frame(t.goaway, 0, 1, new Uint8Array(8))],
    ["GOAWAY of 7", "FRAME_SIZE_ERROR frame_size", frame(t.goaway, 0, 0, new Uint8Array(7))],
    ["WINDOW_UPDATE of 3", "FRAME_SIZE_ERROR frame_size", frame(t.windowUpdate, 0, 1, new Uint8Array(3))],
    ["WINDOW_UPDATE by 0", "PROTOCOL_ERROR zero_increment", frame(t.windowUpdate, 0, 0, new Uint8Array(4))],
    [
      "PRIORITY_UPDATE on a stream",
      "PROTOCOL_ERROR stream_not_zero",
      frame(t.priorityUpdate, 0, 1, new Uint8Array(4)),
    ],
    ["PRIORITY_UPDATE of 3", "FRAME_SIZE_ERROR frame_size", frame(t.priorityUpdate, 0, 0, new Uint8Array(3))],
    ["CONTINUATION alone", "PROTOCOL_ERROR continuation", frame(t.continuation, 4, 1)],
    [
      "CONTINUATION of another stream",
      "PROTOCOL_ERROR continuation_expected",
      frame(t.headers, 0, 1, bytes(0x82)),
      frame(t.continuation, 4, 3),
    ],
    [
      "a frame inside a header block",
      "PROTOCOL_ERROR continuation_expected",
      frame(t.headers, 0, 1, bytes(0x82)),
      frame(t.windowUpdate, 0, 1, bytes(0, 0, 0, 1)),
    ],
    [
      "an unknown frame inside a header block",
      "PROTOCOL_ERROR continuation_expected",
      frame(t.headers, 0, 1, bytes(0x82)),
      frame(0x42, 0, 1),
    ],
    [
      "CONTINUATION behind the end of its block",
      "PROTOCOL_ERROR continuation",
      frame(t.headers, 4, 1, bytes(0x82)),
      frame(t.continuation, 4, 1),
    ],
  ];
  for (const [name, verdict, ...frames] of wrong) {
    test(`${name}: ${verdict}`, () => expect(failure(frames)).toBe(verdict));
  }

  test("what is wrong for a stream only goes to its stream", () => {
    const [events, error] = read([
      frame(t.priority, 0, 1, new Uint8Array(4)),
      frame(t.priority, 0, 3, bytes(0x80, 0, 0, 3, 0)),
      frame(t.windowUpdate, 0, 5, bytes(0x80, 0, 0, 0)),
      frame(t.headers, 0x24, 7, bytes(0, 0, 0, 7, 0, 0x82)),
    ]);
    expect(error).toBeNull();
    const faults = events.map((e) => (e["error"] ?? e["fault"]) as Http2Error);
    expect(faults.map((f) => [f.level, errorName(f.code), f.streamId, f.reason])).toEqual([
      ["stream", "FRAME_SIZE_ERROR", 1, "http2.priority_size"],
      ["stream", "PROTOCOL_ERROR", 3, "http2.self_dependency"],
      ["stream", "PROTOCOL_ERROR", 5, "http2.zero_increment"],
      ["stream", "PROTOCOL_ERROR", 7, "http2.self_dependency"],
    ]);
    // The block of such HEADERS comes all the same: the table must see it.
    expect(events[3]?.["block"]).toBe("\x82");
  });

  test("a block over several frames is one event; midBlock until then", () => {
    const parts = [
      frame(t.headers, 0x29, 1, bytes(1, 0, 0, 0, 3, 9, 0x82, 0x84, 0)),
      frame(t.continuation, 0, 1, bytes(0x86)),
      frame(t.continuation, 4, 1, bytes(0x41)),
    ];
    const [events] = read(parts);
    expect(events).toEqual([
      { kind: "headers", streamId: 1, block: "\x82\x84\x86\x41", endStream: true, fault: null },
    ]);
    const open = (...pieces: Uint8Array[]): boolean => traceFrames("client", [settings, ...pieces]).midBlock;
    expect([open(parts[0]!), open(parts[0]!, parts[1]!), open(...parts)]).toEqual([true, true, false]);
    expect(open(parts[0]!.subarray(0, 10))).toBe(true);
  });
});

describe("limits, at each and one past it", () => {
  const headers = frame(t.headers, 0, 1, bytes(0x82));
  const more = (flags: number, payload: Uint8Array): Uint8Array => frame(t.continuation, flags, 1, payload);

  test("maxContinuations", () => {
    const one = more(0, bytes(0x84));
    const last = more(4, bytes(0x84));
    const upTo = (n: number): Uint8Array[] => [headers, ...new Array<Uint8Array>(n - 1).fill(one), last];
    expect(failure(upTo(8))).toBe("none");
    expect(failure(upTo(9))).toBe("ENHANCE_YOUR_CALM continuation_flood");
  });

  test("maxHeaderBlockBytes", () => {
    const limits = withLimits({ maxHeaderBlockBytes: 10 });
    expect(failure([headers, more(4, new Uint8Array(9))], limits)).toBe("none");
    expect(failure([headers, more(4, new Uint8Array(10))], limits)).toBe("ENHANCE_YOUR_CALM block_too_large");
    expect(failure([frame(t.headers, 4, 1, new Uint8Array(10))], limits)).toBe("none");
    expect(failure([frame(t.headers, 4, 1, new Uint8Array(11))], limits)).toBe(
      "ENHANCE_YOUR_CALM block_too_large",
    );
  });

  test("maxFrameBytes, and the frame size as it is changed", () => {
    const limits = withLimits({ maxFrameBytes: 20_000 });
    expect(failure([frame(t.data, 0, 1, new Uint8Array(20_000))], limits)).toBe("none");
    expect(failure([frame(t.data, 0, 1, new Uint8Array(20_001))], limits)).toBe(
      "FRAME_SIZE_ERROR frame_too_large",
    );
    const reader = new FrameReader("client", new FrameRecorder());
    reader.maxFrameSize = 17_000;
    expect(reader.feed(Buffer.concat([settings, frame(t.data, 0, 1, new Uint8Array(17_000))]))).toBeNull();
  });

  test("maxSettingsPerFrame", () => {
    const of = (n: number): Uint8Array => frame(t.settings, 0, 0, new Uint8Array(6 * n));
    expect(failure([of(32)])).toBe("none");
    expect(failure([of(33)])).toBe("ENHANCE_YOUR_CALM too_many_settings");
  });

  test("maxConsecutiveEmptyFrames: DATA, HEADERS and CONTINUATION that carry and end nothing", () => {
    const flood = "ENHANCE_YOUR_CALM empty_frames";
    const nothing = frame(t.data, 0, 1);
    const padded = frame(t.data, 8, 1, bytes(1, 0));
    const some = frame(t.data, 0, 1, bytes(1));
    expect(failure([nothing, some, padded, some, frame(t.data, 1, 1)])).toBe("none");
    expect(failure([nothing, nothing])).toBe(flood);
    expect(failure([padded, nothing])).toBe(flood);
    expect(failure([nothing, frame(t.ping, 0, 0, new Uint8Array(8)), nothing])).toBe(flood);
    expect(failure([frame(t.headers, 0, 1), more(4, bytes(0x82))])).toBe("none");
    expect(failure([frame(t.headers, 0, 1), more(0, bytes())])).toBe(flood);
    expect(failure([headers, more(0, bytes()), more(0, bytes())])).toBe(flood);
  });

  test("maxConsecutiveUnknownFrames", () => {
    const unknown = new Array<Uint8Array>(100).fill(frame(0xbb, 0xff, 1, bytes(1, 2, 3)));
    const ping = frame(t.ping, 0, 0, new Uint8Array(8));
    expect(failure([...unknown, ping, ...unknown])).toBe("none");
    expect(failure([...unknown, frame(0xbb, 0, 0)])).toBe("ENHANCE_YOUR_CALM unknown_frames");
    expect(read([...unknown, ping])[0].length).toBe(1);
  });

  test("what is held of a frame grows with what came, not with what was announced", () => {
    const reader = new FrameReader("client", new FrameRecorder(), withLimits({ maxFrameBytes: 2 ** 24 - 1 }));
    const head = frame(t.goaway, 0, 0, new Uint8Array(2 ** 24 - 1)).subarray(0, 10);
    const before = process.memoryUsage().arrayBuffers;
    reader.feed(Buffer.concat([settings, head]));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
    expect(reader.idle).toBe(false);
  });
});

describe("frame writer", () => {
  const rig = () => {
    const out = new OutputBuffer();
    const writer = new FrameWriter(out, new HpackEncoder());
    const reread = (): readonly FrameEvent[] => {
      const trace = traceFrames("server", [out.view()]);
      expect([trace.error, trace.idle]).toEqual([null, true]);
      return trace.events;
    };
    return { out, writer, reread };
  };

  test("what it writes is read as the same", () => {
    const { writer, reread } = rig();
    writer.preface();
    writer.settings([3, 100, 4, 65536]);
    writer.settingsAck();
    writer.ping(true, ascii("deadbeef"));
    writer.rstStream(0x7fffffff, errorCodes.enhanceYourCalm);
    writer.windowUpdate(0, 0x7fffffff);
    writer.data(1, ascii("xhellox"), 1, 6, false);
    writer.data(1, ascii("hello"), 0, 5, true);
    writer.data(3, bytes(), 0, 0, true);
    writer.goaway(7, errorCodes.noError, "bye".padEnd(300, "."));
    expect(reread()).toEqual([
      { kind: "settings", streamId: 0, values: [3, 100, 4, 65536] },
      { kind: "settingsAck", streamId: 0 },
      { kind: "ping", streamId: 0, ack: true, payload: "deadbeef" },
      { kind: "reset", streamId: 0x7fffffff, code: 11 },
      { kind: "windowUpdate", streamId: 0, increment: 0x7fffffff },
      { kind: "data", streamId: 1, text: "hello", length: 5, padding: 0, endStream: false },
      { kind: "data", streamId: 1, text: "hello", length: 5, padding: 0, endStream: true },
      { kind: "data", streamId: 3, text: "", length: 0, padding: 0, endStream: true },
      { kind: "goaway", streamId: 0, lastStreamId: 7, code: 0, debug: "bye".padEnd(256, ".") },
    ]);
  });

  test("DATA and header blocks are cut at the peer's frame size", () => {
    for (const size of [16384, 16385, 32768, 40000]) {
      const { out, writer } = rig();
      writer.preface();
      writer.settings([]);
      writer.data(1, new Uint8Array(size).fill(65), 0, size, true);
      // Bytes that Huffman coding makes no shorter.
      const list = ["a", "\x7f".repeat(size - 5)];
      writer.headers(3, list, true);
      writer.ping(false, new Uint8Array(8));
      const trace = traceFrames("server", [out.view()]);
      const [, ...events] = trace.events;
      const data = events.filter((e) => e.kind === "data");
      expect(data.map((e) => e["length"])).toEqual(
        Array.from({ length: Math.ceil(size / 16384) }, (_, i) => Math.min(16384, size - i * 16384)),
      );
      expect(data.map((e) => e["endStream"])).toEqual(data.map((_, i) => i === data.length - 1));
      const headers = events.find((e) => e.kind === "headers")!;
      const got: string[] = [];
      const limits = withLimits({ maxHeaderListBytes: 1e6 });
      expect(new HpackDecoder(limits).decode(ascii(headers["block"] as string), got)).toBeNull();
      expect([got, headers["endStream"], trace.error]).toEqual([list, true, null]);
      expect(events.at(-1)?.kind).toBe("ping");
    }
  });

  test("a larger frame size of the peer is used", () => {
    const { out, writer } = rig();
    writer.maxFrameSize = 100_000;
    writer.data(1, new Uint8Array(100_000), 0, 100_000, false);
    expect(out.length).toBe(100_009);
  });
});

describe("output buffer", () => {
  test("keeps what was not taken, in order, and holds nothing when empty", () => {
    const out = new OutputBuffer();
    const taken: number[] = [];
    let wrote = 0;
    for (let i = 0; i < 2000; i++) {
      const size = (i * 7919) % 700;
      out.append(Uint8Array.from({ length: size }, () => wrote++ & 255));
      const take = Math.min(out.length, (i * 104729) % 900);
      taken.push(...out.view().subarray(0, take));
      out.advance(take);
    }
    taken.push(...out.view());
    out.advance(out.length);
    expect(taken.length).toBe(wrote);
    expect(taken.every((value, i) => value === (i & 255))).toBe(true);
    expect([out.length, out.bytes.length]).toEqual([0, 0]);
  });
});
