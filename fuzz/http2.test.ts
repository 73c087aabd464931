/**
 * Mutates HTTP/2 frames and header blocks and holds the codec to what must be true of all bytes: it never throws,
 * its verdict and its events do not depend on how the stream was cut, the same events written again are read as the
 * same, and a list it gives can be encoded and decoded to the same. FUZZ_RUNS and FUZZ_SEED go further.
 */
import { expect, test } from "bun:test";
import { type Rng, seededRng } from "../src/base/index.ts";
import { cut } from "../src/testkit/http1-trace.ts";
import { type FrameTrace, traceFrames } from "../src/testkit/http2-trace.ts";
import { FrameWriter, OutputBuffer } from "../src/wire/http2/frames/index.ts";
import { HpackDecoder, HpackEncoder } from "../src/wire/http2/hpack/index.ts";
import { defaultHttp2Limits } from "../src/wire/http2/limits.ts";
import { blocks, frames, words } from "./http2-corpus.ts";
import { mutate } from "./mutate.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 6000);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const reasons = new Set<string>();

function pieces(rng: Rng, bytes: Uint8Array): Uint8Array[] {
  const at = Array.from({ length: rng.int(6) }, () => rng.int(bytes.length + 1));
  return cut(bytes, at);
}

/** Writes what is no header block again, which must be read as the same. */
function writtenAgain(trace: FrameTrace): void {
  const out = new OutputBuffer();
  const writer = new FrameWriter(out, new HpackEncoder());
  const text = (value: unknown): Uint8Array => Buffer.from(value as string, "latin1");
  const kept = trace.events.filter((event) => {
    switch (event.kind) {
      case "settings":
        writer.settings(event["values"] as number[]);
        return true;
      case "settingsAck":
        writer.settingsAck();
        return true;
      case "ping":
        writer.ping(event["ack"] as boolean, text(event["payload"]));
        return true;
      case "reset":
        writer.rstStream(event.streamId, event["code"] as number);
        return true;
      case "windowUpdate":
        writer.windowUpdate(event.streamId, event["increment"] as number);
        return true;
      case "goaway":
        writer.goaway(event["lastStreamId"] as number, event["code"] as number, event["debug"] as string);
        return true;
      case "data": {
        const data = text(event["text"]);
        if (event["padding"] !== 0 || event["length"] !== data.length) return false;
        // Without what stood between them they might be too many in a row.
        if (data.length === 0 && event["endStream"] === false) return false;
        writer.data(event.streamId, data, 0, data.length, event["endStream"] as boolean);
        return true;
      }
      default:
        return false;
    }
  });
  const again = traceFrames("client", [out.view()]);
  expect([again.events, again.error?.reason ?? null]).toEqual([kept, null]);
  out.clear();
}

test(`frames: ${runs} mutants of ${frames.length} seeds`, () => {
  const rng = seededRng(seed);
  let accepted = 0;
  for (let i = 0; i < runs; i++) {
    const bytes = mutate(rng, frames, words);
    const whole = traceFrames("client", [bytes]);
    const parts = traceFrames("client", pieces(rng, bytes));
    if (!Bun.deepEquals(parts, whole)) throw new Error(`seed ${seed}, run ${i}: ${hex(bytes)}`);
    if (whole.error === null) {
      accepted++;
      writtenAgain(whole);
    } else reasons.add(whole.error.reason);
  }
  // Mutants that are all refused, or all for one reason, would show nothing.
  expect(accepted).toBeGreaterThan(runs / 50);
  expect(accepted).toBeLessThan(runs);
  expect(reasons.size).toBeGreaterThan(10);
});

test(`header blocks: ${runs} connections of up to 8 mutants of ${blocks.length} seeds`, () => {
  const rng = seededRng(seed);
  let [accepted, refused, malformed] = [0, 0, 0];
  for (let i = 0; i < runs; i++) {
    const decoder = new HpackDecoder();
    const encoder = new HpackEncoder();
    const second = new HpackDecoder();
    const out = new OutputBuffer();
    for (let n = rng.int(8); n >= 0; n--) {
      const block = mutate(rng, blocks, words);
      const list: string[] = [];
      const error = decoder.decode(block, list);
      if (error !== null) {
        expect([error.level, error.code]).toEqual(["connection", 9]);
        refused++;
        break;
      }
      accepted++;
      if (decoder.malformed !== "") malformed++;
      const size = list.reduce((sum, text) => sum + text.length + 16, 0);
      if (size > defaultHttp2Limits.maxHeaderListBytes) throw new Error(`seed ${seed}, run ${i}: ${size}`);
      const again: string[] = [];
      encoder.encode(list, out, decoder.neverIndexed);
      const failed = second.decode(out.view(), again);
      out.clear();
      const same = Bun.deepEquals(again, list) && second.malformed === decoder.malformed;
      const secrets = decoder.neverIndexed.every((name) => second.neverIndexed.includes(name));
      if (failed !== null || !same || !secrets) throw new Error(`seed ${seed}, run ${i}: ${hex(block)}`);
    }
  }
  expect(Math.min(accepted, refused, malformed)).toBeGreaterThan(runs / 50);
});
