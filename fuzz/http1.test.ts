/**
 * Mutates a small corpus of messages and holds the codec to what must be true of every byte stream: it never
 * throws, its verdict does not depend on how the stream was cut, its events are in order, what it accepted
 * and wrote again is read as the same, and what it holds is bounded. FUZZ_RUNS and FUZZ_SEED go further.
 */
import { expect, test } from "bun:test";
import { type Rng, seededRng } from "../src/base/index.ts";
import { bytesOf, cut, type Trace, traceRequests, traceResponses } from "../src/testkit/http1-trace.ts";
import { encodeRequestHead, stripHopByHop } from "../src/wire/http1/index.ts";
import { requests, responses } from "./http1-corpus.ts";
import { mutate } from "./mutate.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 6000);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);

const pick = (rng: Rng, below: number): number => rng.int(below);
const pieces = (rng: Rng, bytes: Uint8Array): Uint8Array[] =>
  cut(
    bytes,
    Array.from({ length: pick(rng, 6) }, () => pick(rng, bytes.length + 1)),
  );

/** Head, data, trailers, end: in this order, each head ended before the next. */
function inOrder(trace: Trace): boolean {
  let state = 0;
  for (const event of trace.events) {
    const rank = { informational: 0, request: 1, response: 1, data: 2, trailers: 3, end: 4 }[event.kind];
    if (rank === 0 && state === 0) continue;
    if (rank === 1 ? state !== 0 : rank <= state && rank !== 2) return false;
    if (rank !== 1 && state === 0) return false;
    state = rank === 4 ? 0 : rank;
  }
  return true;
}

/** What was accepted and is written again must be one canonical message that says the same. */
function writtenAgain(trace: Trace): void {
  for (const event of trace.events) {
    if (event.kind !== "request" || event.head.method === "CONNECT" || event.head.version === 10) continue;
    const { method, target, headers } = event.head;
    const kept = headers.slice();
    stripHopByHop(kept);
    if (kept.some((name, i) => i % 2 === 0 && name === "expect")) continue;
    const again = traceRequests([bytesOf(encodeRequestHead(method, target, kept, { kind: "none" }))]);
    const first = again.events[0];
    expect(again.error).toBeNull();
    expect(first?.kind === "request" && [first.head.method, first.head.target, first.head.headers]).toEqual([
      method,
      target,
      kept,
    ]);
  }
}

for (const [name, corpus, run] of [
  ["requests", requests, (p: readonly Uint8Array[]) => traceRequests(p)],
  ["responses", responses, (p: readonly Uint8Array[]) => traceResponses([p])],
] as const) {
  test(`${name}: ${runs} mutants of ${corpus.length} seeds`, () => {
    const rng = seededRng(seed);
    let accepted = 0;
    for (let i = 0; i < runs; i++) {
      const bytes = mutate(rng, corpus.map(bytesOf));
      const whole = run([bytes]);
      const parts = pieces(rng, bytes);
      const same = Bun.deepEquals(run(parts), whole);
      if (!same || !inOrder(whole)) {
        throw new Error(`seed ${seed}, run ${i}: ${JSON.stringify(Buffer.from(bytes).toString("latin1"))}`);
      }
      if (whole.error === null) accepted++;
      writtenAgain(whole);
    }
    // Mutants that are all refused would show nothing.
    expect(accepted).toBeGreaterThan(runs / 50);
    expect(accepted).toBeLessThan(runs);
  });
}
