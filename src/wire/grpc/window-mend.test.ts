import { describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { createLogger, systemClock } from "../../base/index.ts";
import { AggregatedDiscoveryService } from "../../proto/gen/envoy/service/discovery/v3/ads_pb.js";
import { DeltaDiscoveryRequestSchema } from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { frame } from "../../testkit/http2-frame.ts";
import { bidiMethod, createGrpcServer } from "./index.ts";
import { WindowMend } from "./window-mend.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

function settings(...pairs: [number, number][]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(4, 0, 0, payload);
}

/** `HEADERS 1`, `WINDOW_UPDATE 1 +100`, `SETTINGS 4=65535`. */
function read(bytes: Buffer): string[] {
  const names = [
    "DATA",
    "HEADERS",
    "?",
    "RST_STREAM",
    "SETTINGS",
    "?",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
  ];
  const out: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const [type, stream] = [bytes[at + 3]!, bytes.readUInt32BE(at + 5)];
    const payload = bytes.subarray(at + 9, at + 9 + length);
    let more = "";
    if (type === 8) more = ` +${payload.readUInt32BE(0)}`;
    if (type === 4)
      for (let i = 0; i + 6 <= length; i += 6)
        more += ` ${payload.readUInt16BE(i)}=${payload.readUInt32BE(i + 2)}`;
    out.push(`${names[type]} ${stream}${more}`);
    at += 9 + length;
  }
  return out;
}

/** Feeds in one piece; returns the frames that the session sees after the preface. */
function through(mend: WindowMend, ...bytes: Buffer[]): string[] {
  const all = Buffer.concat(mend.receive(Buffer.concat(bytes)));
  return read(all.subarray(0, preface.length).equals(preface) ? all.subarray(preface.length) : all);
}

const headers = (stream: number): Buffer => frame(1, 4, stream, Buffer.from("x"));

describe("WindowMend", () => {
  test("the first SETTINGS pass; a later change becomes WINDOW_UPDATEs of open and of new streams", () => {
    const m = new WindowMend();
    expect(through(m, preface, settings([3, 100], [4, 70_000]), headers(1), headers(3))).toEqual([
      "SETTINGS 0 3=100 4=70000",
      "HEADERS 1",
      "HEADERS 3",
    ]);
    expect(through(m, settings([4, 100_000]))).toEqual([
      "SETTINGS 0 4=70000",
      "WINDOW_UPDATE 1 +30000",
      "WINDOW_UPDATE 3 +30000",
    ]);
    expect(through(m, headers(5))).toEqual(["HEADERS 5", "WINDOW_UPDATE 5 +30000"]);
    expect(through(m, settings([4, 100_001], [5, 20_000]))).toEqual([
      "SETTINGS 0 4=70000 5=20000",
      "WINDOW_UPDATE 1 +1",
      "WINDOW_UPDATE 3 +1",
      "WINDOW_UPDATE 5 +1",
    ]);
    expect(m.failed).toBeUndefined();
  });

  test("without the setting in the first SETTINGS the default of 65,535 counts", () => {
    const m = new WindowMend();
    through(m, preface, settings([3, 1]), headers(1));
    expect(through(m, settings([4, 65_536]))).toEqual(["SETTINGS 0 4=65535", "WINDOW_UPDATE 1 +1"]);
  });

  test("closed streams are not widened, and nothing is put between HEADERS and CONTINUATION", () => {
    const m = new WindowMend();
    through(m, preface, settings(), headers(1), headers(3), headers(5), settings([4, 70_000]));
    m.sent(frame(1, 1, 1));
    m.sent(frame(0, 1, 3, Buffer.alloc(10)));
    expect(through(m, frame(3, 0, 5, Buffer.alloc(4)), settings([4, 80_000]))).toEqual([
      "RST_STREAM 5",
      "SETTINGS 0 4=65535",
    ]);
    expect(through(m, frame(1, 0, 7, Buffer.from("x")), frame(9, 4, 7, Buffer.from("y")))).toEqual([
      "HEADERS 7",
      "CONTINUATION 7",
      "WINDOW_UPDATE 7 +14465",
    ]);
  });

  test("trailers of an open stream do not widen it again; SETTINGS ACKs pass", () => {
    const m = new WindowMend();
    through(m, preface, settings(), headers(1), settings([4, 70_000]));
    expect(through(m, frame(1, 5, 1, Buffer.from("x")), frame(4, 1, 0))).toEqual(["HEADERS 1", "SETTINGS 0"]);
  });

  test("a smaller window with streams open cannot be mended: the connection is given up", () => {
    const m = new WindowMend();
    through(m, preface, settings([4, 70_000]), headers(1));
    through(m, settings([4, 60_000]));
    expect(m.failed).toContain("from 70000 to 60000");
  });

  test.each([
    ["DATA on an idle stream", frame(0, 1, 5, Buffer.from("x"))],
    ["DATA on an idle stream below none", frame(0, 0, 2)],
    ["DATA on the connection", frame(0, 0, 0)],
    ["RST_STREAM on an idle stream", frame(3, 0, 5, Buffer.alloc(4))],
    ["WINDOW_UPDATE on an idle stream", frame(8, 0, 5, Buffer.from([0, 0, 0, 1]))],
    ["CONTINUATION on an idle stream", frame(9, 4, 5)],
    ["HEADERS on the connection", frame(1, 5, 0)],
    ["HEADERS on a server's stream", frame(1, 5, 4)],
    ["SETTINGS on a stream", frame(4, 0, 3)],
  ])("%s ends the connection", (_, bytes) => {
    const mend = new WindowMend();
    mend.receive(Buffer.concat([preface, settings(), frame(1, 4, 1)]));
    expect(mend.failed).toBeUndefined();
    expect(mend.receive(Buffer.concat([bytes, frame(6, 0, 0, Buffer.alloc(8))]))).toEqual([]);
    expect(mend.failed).toBeString();
    expect(mend.receive(frame(6, 0, 0, Buffer.alloc(8)))).toEqual([]);
  });

  test("what may come for idle and closed streams passes", () => {
    const mend = new WindowMend();
    const all = [
      ...[frame(2, 0, 9, Buffer.alloc(5)), frame(1, 5, 3), frame(0, 0, 1), frame(3, 0, 1, Buffer.alloc(4))],
      ...[frame(0, 1, 3), frame(8, 0, 0, Buffer.from([0, 0, 0, 1])), frame(200, 0, 11)],
    ];
    const bytes = Buffer.concat([preface, settings(), ...all]);
    expect(Buffer.concat([...mend.receive(bytes)])).toEqual(bytes);
    expect(mend.failed).toBeUndefined();
  });

  test("any split of the bytes gives the same", () => {
    const bytes = Buffer.concat([
      preface,
      settings([4, 70_000]),
      headers(1),
      frame(0, 0, 1, Buffer.alloc(100, 5)),
      settings([4, 90_000]),
      headers(3),
      frame(8, 0, 0, Buffer.from([0, 0, 1, 0])),
    ]);
    const whole = Buffer.concat(new WindowMend().receive(bytes));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 20 }), (cuts) => {
        const m = new WindowMend();
        const at = [0, ...new Set(cuts.sort((a, b) => a - b)), bytes.length];
        const parts = at.slice(1).flatMap((end, i) => [...m.receive(bytes.subarray(at[i], end))]);
        expect(Buffer.concat(parts).equals(whole)).toBe(true);
      }),
    );
  });
});

describe("createGrpcServer() and a client that widens its windows as grpc-go does", () => {
  test("8 MB reach a client that changes SETTINGS_INITIAL_WINDOW_SIZE with the stream open", async () => {
    const total = 8 * 1024 * 1024;
    const server = await createGrpcServer({
      host: "127.0.0.1",
      port: 0,
      methods: [
        bidiMethod(AggregatedDiscoveryService.method.deltaAggregatedResources, (stream) => {
          stream.onMessage = () => {
            for (let left = total; left > 0; left -= 1024 * 1024) stream.write(new Uint8Array(1024 * 1024));
          };
        }),
      ],
      log: createLogger({ sink: () => {} }),
      clock: systemClock,
    });
    const socket = connect(server.port, "127.0.0.1");
    const got = await receive(socket, total);
    socket.destroy();
    await server.stop();
    expect(got).toBeGreaterThanOrEqual(total);
  });
});

/** HPACK without a table: literals, never indexed. */
function hpack(fields: Record<string, string>): Buffer {
  const parts = Object.entries(fields).map(([name, value]) => {
    const [n, v] = [Buffer.from(name), Buffer.from(value)];
    return Buffer.concat([Buffer.from([0x10, n.length]), n, Buffer.from([v.length]), v]);
  });
  return Buffer.concat(parts);
}

/** A client in the manner of grpc-go's bandwidth estimate: a stream window that grows by SETTINGS only. */
function receive(socket: Socket, total: number): Promise<number> {
  const message = toBinary(
    DeltaDiscoveryRequestSchema,
    create(DeltaDiscoveryRequestSchema, { typeUrl: "t" }),
  );
  const grpc = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const head = hpack({
    ":method": "POST",
    ":scheme": "http",
    ":path": "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    ":authority": "x",
    "content-type": "application/grpc",
    te: "trailers",
  });
  socket.write(Buffer.concat([preface, settings([4, 65_535]), frame(1, 4, 1, head), frame(0, 0, 1, grpc)]));
  const update = (by: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(by);
    return frame(8, 0, 0, bytes);
  };
  socket.write(update(1_000_000_000));
  let held: Buffer = Buffer.alloc(0);
  let got = 0;
  let window = 65_535;
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${got} bytes`)));
    socket.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
        const length = held.readUIntBE(0, 3);
        if (held[3] === 4 && (held[4]! & 1) === 0) socket.write(frame(4, 1, 0));
        if (held[3] === 0) got += length;
        held = held.subarray(9 + length);
      }
      if (got > window) reject(new Error(`the window of ${window} was overrun: ${got}`));
      if (got >= total) resolve(got);
      else if (got === window) {
        window *= 2;
        socket.write(settings([4, window]));
      }
    });
  });
}
