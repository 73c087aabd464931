/** http2-frame-test-case, where it lies beside the repository: each frame as described, each error among the allowed. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { byteByByte } from "../../../testkit/http1-trace.ts";
import { frame } from "../../../testkit/http2-frame.ts";
import { type FrameEvent, traceFrames } from "../../../testkit/http2-trace.ts";
import { frameTypes } from "./index.ts";

const root = join(import.meta.dir, "../../../..");
const path = [join(root, "../shared"), join(root, "shared")]
  .map((dir) => join(dir, "vectors/http2-frames/cases.json"))
  .find((file) => existsSync(file));

type Payload = Readonly<Record<string, unknown>>;
interface Case {
  readonly file: string;
  readonly description: string;
  readonly wire: string;
  readonly error: readonly number[] | null;
  readonly frame: {
    type: number;
    flags: number;
    stream_identifier: number;
    length: number;
    frame_payload: Payload;
  };
}

/** The event that a described frame should give. */
function expected(c: Case): FrameEvent {
  const { type, flags, stream_identifier: streamId, length, frame_payload: p } = c.frame;
  const endStream = (flags & 1) !== 0;
  const events: Readonly<Record<number, Payload>> = {
    0: { kind: "data", text: p["data"], length, padding: Number(p["padding_length"]) + 1, endStream },
    1: { kind: "headers", block: p["header_block_fragment"], endStream, fault: null },
    2: { kind: "priority" },
    3: { kind: "reset", code: p["error_code"] },
    4: { kind: "settings", values: (p["settings"] as number[][] | undefined)?.flat() },
    5: { kind: "push", promisedId: p["promised_stream_id"], block: p["header_block_fragment"] },
    6: { kind: "ping", ack: endStream, payload: p["opaque_data"] },
    7: {
      kind: "goaway",
      lastStreamId: p["last_stream_id"],
      code: p["error_code"],
      debug: p["additional_debug_data"],
    },
    8: { kind: "windowUpdate", increment: p["window_size_increment"] },
    // Its block ends in the frame that the test sends after it.
    9: { kind: "headers", block: `!${String(p["header_block_fragment"])}?`, endStream: false, fault: null },
  };
  return { streamId, ...events[type] } as FrameEvent;
}

function read(c: Case, pieces: (bytes: Uint8Array) => Uint8Array[]) {
  const wire = Buffer.from(c.wire, "hex");
  const streamId = wire.readUInt32BE(5);
  const continuation = wire[3] === frameTypes.continuation;
  const before = continuation ? frame(frameTypes.headers, 0, streamId, Buffer.from("!")) : Buffer.alloc(0);
  const after = continuation
    ? frame(frameTypes.continuation, 4, streamId, Buffer.from("?"))
    : Buffer.alloc(0);
  const all = Buffer.concat([frame(frameTypes.settings, 0, 0), before, wire, after]);
  return traceFrames("client", pieces(all));
}

describe.skipIf(path === undefined)("http2-frame-test-case", () => {
  const cases = path === undefined ? [] : (JSON.parse(readFileSync(path, "utf8")) as { cases: Case[] }).cases;
  test("there are 34", () => expect(cases.length).toBe(34));
  for (const c of cases) {
    test(`${c.file}: ${c.description}`, () => {
      const trace = read(c, (all) => [all]);
      expect(read(c, byteByByte)).toEqual(trace);
      const events = trace.events.slice(1);
      if (c.error === null) {
        expect([trace.error, events]).toEqual([null, [expected(c)]]);
        return;
      }
      const error = trace.error ?? (events[0]?.["error"] as { code: number } | undefined);
      expect(c.error).toContain(error?.code ?? -1);
    });
  }
});
