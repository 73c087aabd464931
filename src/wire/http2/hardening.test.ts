/** Attacks by frames (HARDENING 3.2, rows 15 to 19, and 23), against the codec alone. */
import { describe, expect, test } from "bun:test";
import { frame } from "../../testkit/http2-frame.ts";
import { ClientRig, ServerRig } from "../../testkit/http2-rig.ts";
import { errorCodes } from "./errors.ts";
import { frameTypes as t } from "./frames/index.ts";
import { defaultHttp2Limits } from "./limits.ts";

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const calm = "ENHANCE_YOUR_CALM";
const { resetBurst, maxConcurrentStreams } = defaultHttp2Limits;

describe("row 15: rapid reset", () => {
  test("20,000 pairs of HEADERS and RST_STREAM: GOAWAY after the bucket, each request told of its reset", () => {
    const rig = new ServerRig();
    for (let i = 0; i < 20_000; i++) rig.peer.rstStream(rig.request(), errorCodes.cancel);
    rig.send();
    expect(rig.errors).toEqual([`${calm} reset_flood`]);
    expect(rig.ends()).toEqual([`goaway ${calm}`]);
    expect(rig.told.length).toBe(resetBurst + 1);
    expect(rig.told.every((told) => told.events.at(-1)?.startsWith("reset") === true)).toBe(true);
  });

  test("the bucket refills by 33 a second; at it and one past it", () => {
    const rig = new ServerRig();
    const reset = (count: number): void => {
      for (let i = 0; i < count; i++) rig.peer.rstStream(rig.request(), errorCodes.cancel);
      rig.send();
    };
    reset(resetBurst);
    expect(rig.errors).toEqual([]);
    rig.now = 1000;
    reset(33);
    expect(rig.errors).toEqual([]);
    reset(1);
    expect(rig.errors).toEqual([`${calm} reset_flood`]);
  });
});

describe("row 16: MadeYouReset", () => {
  const triggers: readonly (readonly [string, boolean, (id: number, rig: ServerRig) => Uint8Array])[] = [
    ["WINDOW_UPDATE of 0", true, (id) => frame(t.windowUpdate, 0, id, u32(0))],
    ["WINDOW_UPDATE beyond 2^31-1", true, (id) => frame(t.windowUpdate, 0, id, u32(0x7fffffff))],
    ["PRIORITY of 4 octets", true, (id) => frame(t.priority, 0, id, u32(0))],
    ["PRIORITY on itself", true, (id) => frame(t.priority, 0, id, Buffer.concat([u32(id), Buffer.of(1)]))],
    ["HEADERS behind END_STREAM", true, (id) => frame(t.headers, 5, id, Buffer.of(0x82))],
    ["DATA behind END_STREAM", true, (id) => frame(t.data, 0, id, Buffer.of(1))],
    ["DATA beyond Content-Length", false, (id) => frame(t.data, 0, id, Buffer.alloc(9))],
  ];
  for (const [name, endStream, trigger] of triggers) {
    test(`${name}: our resets count like theirs`, () => {
      const rig = new ServerRig();
      for (let i = 0; i < resetBurst; i++) {
        const id = rig.request(endStream, endStream ? [] : ["content-length", "5"]);
        rig.send(trigger(id, rig));
      }
      expect([rig.errors, rig.connection.activeStreams]).toEqual([[], 0]);
      // Each was told, so that what it started elsewhere is ended too.
      expect(rig.told.every((told) => told.events.at(-1)?.endsWith("fault") === true)).toBe(true);
      expect(rig.ends().length).toBe(resetBurst);
      rig.send(trigger(rig.request(endStream, endStream ? [] : ["content-length", "5"]), rig));
      expect(rig.errors).toEqual([`${calm} reset_flood`]);
    });
  }
});

describe("row 17: CONTINUATION flood", () => {
  const open = (payload: string): Uint8Array => frame(t.headers, 1, 1, Buffer.from(payload, "hex"));
  const floods: readonly (readonly [string, string, Uint8Array])[] = [
    ["of one octet", `${calm} continuation_flood`, frame(t.continuation, 0, 1, Buffer.of(0x84))],
    ["empty", `${calm} empty_frames`, frame(t.continuation, 0, 1)],
    ["of 16 KiB", `${calm} block_too_large`, frame(t.continuation, 0, 1, Buffer.alloc(16384, 0x84))],
    ["another stream's", "PROTOCOL_ERROR continuation_expected", frame(t.continuation, 0, 3)],
  ];
  for (const [name, error, more] of floods) {
    test(`${name}: ${error}`, () => {
      const rig = new ServerRig();
      rig.send(open("82"), ...new Array<Uint8Array>(10_000).fill(more));
      expect([rig.errors, rig.told.length]).toEqual([[error], 0]);
    });
  }

  test("a block that does not end: 10 s, however often a frame comes", () => {
    const rig = new ServerRig();
    const { headerBlockTimeoutMs } = defaultHttp2Limits;
    rig.send(frame(t.settings, 1, 0), open("82"));
    expect(rig.connection.timed).toBe(true);
    rig.now = headerBlockTimeoutMs;
    rig.send(frame(t.continuation, 0, 1, Buffer.of(0x84)));
    rig.connection.check();
    expect(rig.errors).toEqual([]);
    rig.now++;
    rig.connection.check();
    expect(rig.errors).toEqual([`${calm} header_block_timeout`]);
  });
});

describe("row 18: HPACK", () => {
  for (const name of ["x-bomb", "cookie"]) {
    test(`30,000 references to one ${name}: 431, nothing of it is told, the connection stays`, () => {
      const rig = new ServerRig();
      rig.peer.settings([4, 0]);
      rig.request(true, [name, "c".repeat(3000)]);
      rig.send();
      const id = rig.claimId();
      // The newest entry of the table is the large one.
      const block = Buffer.concat([Buffer.from("828684", "hex"), Buffer.alloc(30_000, 0xbe)]);
      rig.send(
        frame(t.headers, 1, id, block.subarray(0, 16384)),
        frame(t.continuation, 4, id, block.subarray(16384)),
      );
      expect([rig.told.length, rig.errors]).toEqual([1, []]);
      expect(rig.faults).toEqual([`${id} NO_ERROR headers_too_large`]);
      expect(rig.ends()).toEqual([`${id} NO_ERROR`]);
      rig.request();
      rig.send();
      expect(rig.told.length).toBe(2);
    });
  }

  const broken: readonly (readonly [string, string])[] = [
    ["integer overflow", "7fffffffffff7f"],
    ["EOS in a string", "4284ffffffff"],
    ["padding of eight bits", "42821fff"],
    ["index 0", "80"],
    ["index beyond the table", "ff00"],
    ["size update beyond SETTINGS", "3fe21f82"],
    ["size update behind a field", "8220"],
    ["literal beyond the block", "420a61"],
  ];
  for (const [name, block] of broken) {
    test(`${name}: COMPRESSION_ERROR`, () => {
      const rig = new ServerRig();
      rig.send(frame(t.headers, 5, 1, Buffer.from(block, "hex")));
      expect(rig.ends()).toEqual(["goaway COMPRESSION_ERROR"]);
    });
  }

  test("an empty name is malformed, for its stream", () => {
    const rig = new ServerRig();
    rig.request(true, ["", "x"]);
    rig.send();
    expect([rig.ends(), rig.errors, rig.told.length]).toEqual([["1 PROTOCOL_ERROR"], [], 0]);
  });
});

describe("row 19: floods that nobody reads, and other old ones", () => {
  const { maxQueuedControlFrames } = defaultHttp2Limits;
  const owed: readonly (readonly [string, (rig: ServerRig) => void])[] = [
    ["PING", (rig) => rig.peer.ping(false, new Uint8Array(8))],
    ["SETTINGS", (rig) => rig.peer.settings([])],
  ];
  for (const [name, write] of owed) {
    test(`${name} to a server whose answers are not read: ${maxQueuedControlFrames}, one more closes`, () => {
      const rig = new ServerRig();
      rig.room = 0;
      for (let i = 0; i < maxQueuedControlFrames; i++) write(rig);
      rig.send();
      expect(rig.errors).toEqual([]);
      write(rig);
      rig.send();
      expect(rig.errors).toEqual([`${calm} outbound_flood`]);
    });
  }

  test("empty DATA without an end", () => {
    const rig = new ServerRig();
    rig.request(false);
    rig.send(...new Array<Uint8Array>(2).fill(frame(t.data, 0, 1)));
    expect(rig.errors).toEqual([`${calm} empty_frames`]);
  });

  test("PRIORITY churn: 100, and 100 a stream", () => {
    const rig = new ServerRig();
    const priority = frame(t.priority, 0, 1, Buffer.from("0000000310", "hex"));
    rig.request();
    rig.send(...new Array<Uint8Array>(200).fill(priority));
    expect(rig.errors).toEqual([]);
    rig.send(priority);
    expect(rig.errors).toEqual([`${calm} priority_flood`]);
  });

  test("WINDOW_UPDATE: 5, 2 a stream and 10 for each DATA frame sent", () => {
    const rig = new ServerRig({ onRequest: (stream) => stream.sendResponse(200, [], false) });
    rig.request(false);
    rig.send();
    rig.told[0]!.stream!.sendData(Buffer.from("x"), false);
    const update = frame(t.windowUpdate, 0, 0, u32(1));
    rig.send(...new Array<Uint8Array>(17).fill(update));
    expect(rig.errors).toEqual([]);
    rig.send(update);
    expect(rig.errors).toEqual([`${calm} window_update_flood`]);
  });

  test("a window opened octet by octet (data dribble): each leaves, no more than the watermark waits", () => {
    const rig = new ServerRig({ onRequest: (stream) => stream.sendResponse(200, [], false) });
    rig.peer.settings([4, 0]);
    rig.request();
    rig.send();
    const { stream } = rig.told[0]!;
    const body = Buffer.alloc(16 * 1024, 97);
    let sent = 0;
    while (stream!.writable) {
      stream!.sendData(body, false);
      sent += body.length;
    }
    expect(sent).toBe(defaultHttp2Limits.highWatermarkBytes);
    for (let i = 0; i < 1000; i++) rig.send(frame(t.windowUpdate, 0, 1, u32(1)));
    expect(rig.heard("client").filter((e) => e.kind === "data" && e["length"] === 1).length).toBe(1000);
    expect([rig.errors, stream!.queuedBytes]).toEqual([[], sent - 1000]);
  });

  test("windows open, the socket not: what waits of 1,000 streams is bounded for all together", () => {
    const streams = 1000;
    const rig = new ServerRig({
      limits: { ...defaultHttp2Limits, maxConcurrentStreams: streams },
      onRequest: (stream) => stream.sendResponse(200, [], false),
    });
    rig.peer.settings([4, 0x7fffffff]);
    rig.peer.windowUpdate(0, 0x7fffffff - 65535);
    for (let i = 0; i < streams; i++) rig.request();
    rig.send();
    rig.room = 0;
    const body = Buffer.alloc(16 * 1024);
    for (const { stream } of rig.told) while (stream!.writable) stream!.sendData(body, false);
    rig.connection.flush();
    const waiting =
      rig.told.reduce((sum, told) => sum + told.stream!.queuedBytes, 0) + rig.connection.queuedBytes;
    const { highWatermarkBytes, gatherBytes } = defaultHttp2Limits;
    expect(rig.told.length).toBe(streams);
    expect(waiting).toBeLessThan(streams * (highWatermarkBytes + body.length) + 2 * gatherBytes);
    expect(rig.errors).toEqual([]);
  });

  test("the stream above the limit is refused, and answers are not lost by it", () => {
    const rig = new ServerRig();
    for (let i = 0; i <= maxConcurrentStreams; i++) rig.request();
    rig.send();
    expect([rig.told.length, rig.ends()]).toEqual([maxConcurrentStreams, ["201 REFUSED_STREAM"]]);
  });
});

describe("row 19: a hostile server", () => {
  test("GOAWAY, then SETTINGS without streams (CVE-2021-32780)", () => {
    const rig = new ClientRig();
    const [first, second] = [rig.open(), rig.open()];
    rig.peer.goaway(1, errorCodes.noError);
    rig.peer.settings([3, 0]);
    rig.send();
    expect([first.events, second.events]).toEqual([[], ["reset REFUSED_STREAM unprocessed"]]);
    expect([rig.connection.canOpen, rig.errors]).toEqual([false, []]);
    rig.peer.headers(1, [":status", "200"], true);
    rig.send();
    expect([first.events, rig.idle]).toEqual([["response 200", "end"], 1]);
  });

  test("an answer on a stream that is over, or that nobody opened", () => {
    for (const [id, error] of [
      [1, "STREAM_CLOSED closed_stream"],
      [3, "PROTOCOL_ERROR idle_stream"],
      [2, "PROTOCOL_ERROR idle_stream"],
    ] as const) {
      const rig = new ClientRig();
      rig.open();
      rig.peer.headers(1, [":status", "200"], true);
      rig.peer.headers(id, [":status", "200"], true);
      rig.send();
      expect(rig.errors).toEqual([error]);
    }
  });

  test("frames for a stream that we reset are ignored (row 23), its data is given back to the connection", () => {
    const rig = new ClientRig();
    const told = rig.open();
    told.stream!.reset(errorCodes.cancel);
    rig.peer.headers(1, [":status", "200"], false);
    for (let i = 0; i < 40; i++) rig.peer.data(1, new Uint8Array(16384), 0, 16384, false);
    rig.peer.headers(1, ["x", "y"], true);
    rig.send();
    expect([told.events, rig.errors, rig.ends("server")]).toEqual([[], [], ["1 CANCEL"]]);
    const given = rig.heard("server").filter((e) => e.kind === "windowUpdate" && e.streamId === 0);
    expect(given.length).toBeGreaterThan(1);
  });

  test("a smaller window than what was sent already: nothing leaves until it is above 0 again", () => {
    const rig = new ClientRig();
    const { stream } = rig.open(false);
    stream!.sendData(Buffer.alloc(1000), false);
    rig.peer.settings([4, 10]);
    rig.send();
    stream!.sendData(Buffer.alloc(20), true);
    rig.send(frame(t.windowUpdate, 0, 1, u32(990)));
    const sizes = (): unknown[] =>
      rig
        .heard("server")
        .filter((e) => e.kind === "data")
        .map((e) => e["length"]);
    expect(sizes()).toEqual([1000]);
    rig.send(frame(t.windowUpdate, 0, 1, u32(1)));
    expect(sizes()).toEqual([1000, 1]);
    rig.send(frame(t.windowUpdate, 0, 1, u32(50)));
    expect(sizes()).toEqual([1000, 1, 19]);
  });

  test("a window that becomes smaller while data waits for the socket", () => {
    const rig = new ClientRig();
    const { stream } = rig.open(false);
    rig.connection.flush();
    rig.room = 0;
    stream!.sendData(Buffer.alloc(65_000), false);
    rig.peer.settings([4, 10]);
    rig.send();
    rig.room = Number.POSITIVE_INFINITY;
    rig.connection.drained();
    const data = rig.heard("server").filter((e) => e.kind === "data");
    const sent = data.reduce((sum, e) => sum + Number(e["length"]), 0);
    expect([sent + stream!.queuedBytes, rig.errors]).toEqual([65_000, []]);
    expect(data.every((e) => Number(e["length"]) > 0)).toBe(true);
    rig.send(frame(t.windowUpdate, 0, 1, u32(65_000)));
    expect(stream!.queuedBytes).toBe(0);
  });

  test("windows that SETTINGS make larger than 2^31-1", () => {
    const rig = new ClientRig();
    rig.open(false);
    rig.send(frame(t.windowUpdate, 0, 1, u32(100)));
    rig.peer.settings([4, 0x7fffffff]);
    rig.send();
    expect(rig.errors).toEqual(["FLOW_CONTROL_ERROR setting_overflow"]);
  });

  test("a flood of informational answers", () => {
    const rig = new ClientRig();
    const told = rig.open();
    for (let i = 0; i < defaultHttp2Limits.maxInformational; i++)
      rig.peer.headers(1, [":status", "103"], false);
    rig.send();
    expect(told.events.length).toBe(8);
    rig.peer.headers(1, [":status", "103"], false);
    rig.send();
    expect(told.events.at(-1)).toBe("reset PROTOCOL_ERROR fault");
    expect(rig.errors).toEqual([]);
  });

  test("PUSH_PROMISE", () => {
    const rig = new ClientRig();
    rig.open();
    rig.send(frame(t.pushPromise, 4, 1, Buffer.from("0000000282", "hex")));
    expect(rig.errors).toEqual(["PROTOCOL_ERROR push_promise"]);
  });
});
