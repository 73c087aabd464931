/**
 * A server takes mutants of what clients send and a client mutants of what servers answer, in one piece and in many.
 * Neither may throw; what it tells its users, what it answers and how it ends must not depend on the pieces; what it
 * wrote must be frames that its peer takes; every stream told must end, by its end or a reset. FUZZ_RUNS and
 * FUZZ_SEED go further.
 */
import { expect, test } from "bun:test";
import { type Rng, seededRng } from "../src/base/index.ts";
import { cut } from "../src/testkit/http1-trace.ts";
import { ClientRig } from "../src/testkit/http2-rig.ts";
import { traceFrames } from "../src/testkit/http2-trace.ts";
import {
  type Http2Error,
  type Http2RequestHead,
  type Http2ServerStream,
  ServerConnection,
  type StreamHandler,
} from "../src/wire/http2/index.ts";
import { answers, conversations, frames, words } from "./http2-corpus.ts";
import { mutate } from "./mutate.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 4000);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const seeds = [...frames, ...conversations];
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** What became of one request. */
interface Exchange {
  readonly head: Http2RequestHead;
  body: string;
  trailers: readonly string[];
  end: string;
}

/** Answers with the body it got, when it has all of it; not at all on some streams. */
class Echo implements StreamHandler {
  private readonly stream: Http2ServerStream;
  private readonly exchange: Exchange;

  constructor(stream: Http2ServerStream, exchange: Exchange) {
    this.stream = stream;
    this.exchange = exchange;
  }
  onInformational(): void {}
  onResponse(): void {}
  onData(chunk: Uint8Array): void {
    if (chunk.length === 0) throw new Error("empty data");
    this.open();
    this.exchange.body += Buffer.from(chunk).toString("latin1");
    this.stream.consume(chunk.length);
  }
  onTrailers(trailers: readonly string[]): void {
    this.open();
    this.exchange.trailers = [...trailers];
  }
  onEnd(): void {
    this.open();
    this.exchange.end = "end";
    // Every second client waits for its answer, and meanwhile may do what it must not.
    if (this.stream.id % 4 === 3) return;
    this.stream.sendResponse(200, ["x-method", this.exchange.head.method], false);
    this.stream.sendData(Buffer.from(this.exchange.body, "latin1"), true);
  }
  onReset(code: number, cause: string): void {
    // After its end only a connection's end or a reset may follow.
    if (this.exchange.end.includes("reset")) throw new Error("reset twice");
    this.exchange.end += ` reset ${code} ${cause}`;
  }
  onWritable(): void {}
  private open(): void {
    if (this.exchange.end !== "") throw new Error(`event behind ${this.exchange.end}`);
  }
}

interface Outcome {
  readonly exchanges: readonly Exchange[];
  readonly faults: readonly string[];
  readonly error: string | null;
  readonly written: Buffer;
}

function serve(pieces: readonly Uint8Array[]): Outcome {
  const exchanges: Exchange[] = [];
  const faults: string[] = [];
  const written: Buffer[] = [];
  const errors: string[] = [];
  const nothing = (): void => {};
  const connection = new ServerConnection({
    clock: { now: () => 0 },
    output: {
      write: (bytes) => {
        written.push(Buffer.from(bytes));
        return bytes.length;
      },
      onUnflushed: nothing,
    },
    handler: {
      onRequest: (stream, head) => {
        const exchange: Exchange = { head, body: "", trailers: [], end: "" };
        exchanges.push(exchange);
        return new Echo(stream, exchange);
      },
      onStreamFault: (error: Http2Error) => faults.push(`${error.streamId} ${error.reason}`),
      onError: (error: Http2Error) => errors.push(error.reason),
      onSettings: nothing,
      onGoaway: nothing,
      onIdle: nothing,
      onPong: nothing,
    },
  });
  connection.flush();
  for (const piece of pieces) {
    const bytes = Uint8Array.from(piece);
    connection.feed(bytes);
    bytes.fill(0x21);
  }
  // Not in between: what is sent when decides which streams are over when the next frame comes.
  connection.flush();
  connection.close();
  // How much of a body came before the piece that is wrong was seen is the network's business.
  for (const exchange of exchanges) if (exchange.end.includes("reset")) exchange.body = "";
  expect(errors.length).toBeLessThanOrEqual(1);
  return { exchanges, faults, error: errors[0] ?? null, written: Buffer.concat(written) };
}

/** What the client reads of it, apart from how DATA and windows were cut and where settings stand. */
function heard(written: Buffer): unknown {
  const trace = traceFrames("client", [written]);
  if (trace.error !== null || !trace.idle) throw new Error(`not frames: ${trace.error?.reason}`);
  const streams = new Map<number, string[]>();
  const rest: unknown[] = [];
  for (const event of trace.events) {
    if (event.kind === "windowUpdate" || event.kind.startsWith("settings")) continue;
    if (event.streamId === 0) rest.push(event);
    else {
      const list = streams.get(event.streamId) ?? [];
      streams.set(event.streamId, list);
      // Blocks depend on the table, and so on the order of the streams, which is the same.
      if (event.kind === "data") list.push(`${event["text"]}${event["endStream"] ? "." : ""}`);
      else list.push(` ${event.kind} ${event["block"] ?? event["code"]} `);
    }
  }
  return [[...streams].map(([id, list]) => [id, list.join("")]), rest];
}

const pieces = (rng: Rng, bytes: Uint8Array): Uint8Array[] =>
  cut(
    bytes,
    Array.from({ length: rng.int(8) }, () => rng.int(bytes.length + 1)),
  );

test(`a server: ${runs} mutants of ${seeds.length} clients`, () => {
  const rng = seededRng(seed);
  let [accepted, refused, served, faults] = [0, 0, 0, 0];
  for (let i = 0; i < runs; i++) {
    const bytes = Buffer.concat([preface, mutate(rng, seeds, words)]);
    const fail = (what: string, ...seen: unknown[]): never => {
      throw new Error(`seed ${seed}, run ${i}: ${what}: ${bytes.toString("hex")} ${JSON.stringify(seen)}`);
    };
    const whole = serve([bytes]);
    const parts = serve(pieces(rng, bytes));
    const same = (key: "exchanges" | "faults" | "error"): boolean => Bun.deepEquals(whole[key], parts[key]);
    if (!same("exchanges")) fail("requests", whole.exchanges, parts.exchanges);
    if (!same("faults")) fail("faults", whole.faults, parts.faults);
    if (!same("error")) fail("error", whole.error, parts.error);
    const [a, b] = [heard(whole.written), heard(parts.written)];
    if (!Bun.deepEquals(a, b)) fail("answers", a, b);
    if (whole.exchanges.some((e) => e.end === "")) fail("a stream without an end", whole.exchanges);
    served += whole.exchanges.filter((e) => e.end === "end").length;
    faults += whole.faults.length;
    if (whole.error === null) accepted++;
    else refused++;
  }
  expect(Math.min(accepted, refused, served, faults)).toBeGreaterThan(runs / 50);
});

/** What four requests of a client become when the server says this. */
function ask(pieces: readonly Uint8Array[]) {
  const rig = new ClientRig({ settings: null });
  const told = [rig.open(), rig.open(), rig.open(false), rig.open(false)];
  for (const piece of pieces) {
    const bytes = Uint8Array.from(piece);
    rig.connection.feed(bytes);
    bytes.fill(0x21);
  }
  rig.connection.flush();
  rig.connection.close();
  for (const one of told) {
    const ends = one.events.filter((event) => event === "end" || event.startsWith("reset"));
    const answered = one.events.filter((event) => event.startsWith("response"));
    const well = ends.length >= 1 && ends.length <= 2 && ends.lastIndexOf("end") <= 0 && answered.length <= 1;
    if (!well || one.events.at(-1) !== ends.at(-1)) throw new Error(`events: ${one.events.join(", ")}`);
    if (one.events.some((event) => event.startsWith("reset"))) one.body = "";
  }
  const streams = told.map((one) => [one.events, one.body]);
  return { streams, errors: rig.errors, faults: rig.faults, ends: rig.ends("server") };
}

test(`a client: ${runs} mutants of ${answers.length} servers`, () => {
  const rng = seededRng(seed);
  let [accepted, refused, served, faults] = [0, 0, 0, 0];
  for (let i = 0; i < runs; i++) {
    const bytes = mutate(rng, answers, words);
    const whole = ask([bytes]);
    const parts = ask(pieces(rng, bytes));
    if (!Bun.deepEquals(parts, whole)) {
      const seen = JSON.stringify([whole, parts]);
      throw new Error(`seed ${seed}, run ${i}: ${Buffer.from(bytes).toString("hex")} ${seen}`);
    }
    served += whole.streams.filter(([events]) => events!.includes("end")).length;
    faults += whole.faults.length;
    if (whole.errors.length === 0) accepted++;
    else refused++;
  }
  expect(Math.min(accepted, refused, served, faults)).toBeGreaterThan(runs / 50);
});
