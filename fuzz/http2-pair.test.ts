/**
 * A client and a server of ours joined in memory: pipes that cut at random, sockets that fill, readers that stall,
 * windows of any size, resets at any time. Every body must arrive as it was sent, no side may hold more than the
 * windows and watermarks allow, no stream may be left, and neither may find fault with the other: a sum of the flow
 * control that is wrong by one octet ends in a fault or in a stream that stands still. FUZZ_RUNS and FUZZ_SEED.
 */
import { expect, test } from "bun:test";
import { type Rng, seededRng } from "../src/base/index.ts";
import {
  ClientConnection,
  type ConnectionHandler,
  defaultHttp2Limits,
  errorCodes,
  type Http2Connection,
  type Http2Error,
  type Http2Limits,
  type Http2Output,
  type Http2RequestHead,
  type Http2Stream,
  ServerConnection,
  type StreamHandler,
} from "../src/wire/http2/index.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 40);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);

/** The octet at a position of a stream's body. */
const octet = (id: number, at: number): number => (id * 31 + at * 7 + (at >>> 8)) & 255;

/** One direction of the pipe: what was written and not yet read. */
class Pipe implements Http2Output {
  private bytes = Buffer.alloc(0);
  /** Whether the socket said that it is full. */
  full = false;
  private readonly rng: Rng;

  constructor(rng: Rng) {
    this.rng = rng;
  }

  get length(): number {
    return this.bytes.length;
  }
  write(view: Uint8Array): number {
    const taken = this.rng.int(3) === 0 ? this.rng.int(view.length + 1) : view.length;
    this.bytes = Buffer.concat([this.bytes, view.subarray(0, taken)]);
    this.full = taken < view.length;
    return taken;
  }
  onUnflushed(): void {}
  read(): Uint8Array {
    const count = 1 + this.rng.int(this.rng.int(2) === 0 ? 30 : 40_000);
    const piece = Uint8Array.from(this.bytes.subarray(0, count));
    this.bytes = this.bytes.subarray(count);
    return piece;
  }
}

/** One side of one stream: sends its body by pieces, checks what it gets, consumes now and then. */
class End implements StreamHandler {
  stream: Http2Stream | null = null;
  toSend: number;
  sent = 0;
  received = 0;
  unconsumed = 0;
  done = false;
  reset = "";
  private readonly id: number;
  private readonly answer: (() => void) | null;

  constructor(id: number, toSend: number, answer: (() => void) | null) {
    this.id = id;
    this.toSend = toSend;
    this.answer = answer;
  }
  onInformational(): void {}
  onResponse(): void {}
  onTrailers(trailers: readonly string[]): void {
    expect(trailers).toEqual(["x-id", String(this.id)]);
  }
  onData(chunk: Uint8Array): void {
    for (const value of chunk) {
      if (value !== octet(this.id, this.received++))
        throw new Error(`stream ${this.id}: octet ${this.received}`);
    }
    this.unconsumed += chunk.length;
  }
  onEnd(): void {
    if (this.done || this.reset !== "") throw new Error("ended twice");
    this.done = true;
    this.answer?.();
  }
  onReset(code: number, cause: string): void {
    if (this.reset !== "") throw new Error("reset twice");
    this.reset = `${code} ${cause}`;
  }
  onWritable(): void {}

  /** Whether nothing is left to do for this side. */
  get quiet(): boolean {
    return this.reset !== "" || this.stream === null || (this.stream.sendEnded && this.done);
  }

  step(rng: Rng, trailers: boolean): void {
    const { stream } = this;
    if (stream === null || this.reset !== "") return;
    if (this.unconsumed > 0 && rng.int(3) > 0) {
      const count = rng.int(2) === 0 ? this.unconsumed : 1 + rng.int(this.unconsumed);
      this.unconsumed -= count;
      stream.consume(count);
    }
    if (stream.sendEnded || stream.closed || !stream.writable) return;
    const count = Math.min(this.toSend - this.sent, rng.int(rng.int(4) === 0 ? 50_000 : 500));
    const chunk = Uint8Array.from({ length: count }, (_, i) => octet(this.id, this.sent + i));
    this.sent += count;
    const last = this.sent === this.toSend;
    stream.sendData(chunk, last && !trailers);
    chunk.fill(0);
    if (last && trailers) stream.sendTrailers(["x-id", String(this.id)]);
  }
}

const randomLimits = (rng: Rng): Http2Limits => ({
  ...defaultHttp2Limits,
  streamWindowBytes: [1, 100, 16_384, 65_536][rng.int(4)]!,
  connectionWindowBytes: [65_535, 100_000, 1_048_576][rng.int(3)]!,
  headerTableBytes: [0, 100, 4096][rng.int(3)]!,
  maxConcurrentStreams: 4 + rng.int(30),
  highWatermarkBytes: [1000, 32_768][rng.int(2)]!,
  lowWatermarkBytes: 500,
  maxWindowUpdatesPerData: 1000,
});

class Pair {
  readonly client: ClientConnection;
  readonly server: ServerConnection;
  readonly up: Pipe;
  readonly down: Pipe;
  readonly ends: End[] = [];
  readonly clients: End[] = [];
  readonly limits: readonly [Http2Limits, Http2Limits];
  private readonly rng: Rng;

  constructor(rng: Rng) {
    this.rng = rng;
    this.up = new Pipe(rng);
    this.down = new Pipe(rng);
    this.limits = [randomLimits(rng), randomLimits(rng)];
    const clock = { now: () => 0 };
    const handler: ConnectionHandler = {
      onSettings() {},
      onGoaway() {},
      onIdle() {},
      onPong() {},
      onStreamFault(error: Http2Error) {
        throw new Error(`fault: ${error.reason}`);
      },
      onError(error: Http2Error) {
        throw new Error(`error: ${error.reason}`);
      },
    };
    this.client = new ClientConnection({ clock, handler, output: this.up, limits: this.limits[0] });
    this.server = new ServerConnection({
      ...{ clock, output: this.down, limits: this.limits[1] },
      handler: {
        ...handler,
        onRequest: (stream) => {
          const end = new End(stream.id, this.bodyLength(0), () =>
            stream.sendResponse(200, ["x-id", "1"], false),
          );
          this.ends.push(end);
          const { onEnd } = end;
          // It answers when it has the request, or at once.
          end.onEnd = () => {
            onEnd.call(end);
            end.stream = stream;
          };
          return end;
        },
      },
    });
  }

  open(): void {
    const head: Http2RequestHead = {
      ...{ method: "POST", scheme: "http", authority: "a.test", path: `/${this.rng.int(9)}`, protocol: null },
      ...{ headers: ["x-n", String(this.rng.int(99))], contentLength: -1, neverIndexed: [] },
    };
    const end = new End(1 + 2 * this.clients.length, this.bodyLength(1), null);
    end.stream = this.client.openStream(head, false, end);
    if (end.stream === null) return;
    expect(end.stream.id).toBe(1 + 2 * this.clients.length);
    this.clients.push(end);
    this.ends.push(end);
  }

  /** Of a body to the client (0) or server (1): short where each octet takes a round trip. */
  private bodyLength(to: 0 | 1): number {
    return this.rng.int(this.limits[to].streamWindowBytes > 100 ? 60_000 : 500);
  }

  /** Lets all that is on its way arrive. */
  settle(): void {
    for (let quiet = 0; quiet < 20; quiet++) {
      this.step();
      if (this.up.length + this.down.length + this.client.queuedBytes + this.server.queuedBytes > 0)
        quiet = 0;
    }
  }

  step(): void {
    const { rng } = this;
    for (const end of this.ends) if (!end.quiet || end.unconsumed > 0) end.step(rng, end.toSend % 3 === 0);
    const ways: readonly (readonly [Http2Connection, Pipe, Http2Connection])[] = [
      [this.client, this.up, this.server],
      [this.server, this.down, this.client],
    ];
    for (const [from, pipe, to] of ways) {
      if (rng.int(2) === 0) from.flush();
      if (pipe.full && rng.int(2) === 0) from.drained();
      if (pipe.length > 0 && rng.int(4) > 0) to.feed(pipe.read());
    }
  }
}

test(`client and server: ${runs} random connections`, () => {
  let [ended, reset, stalled] = [0, 0, 0];
  for (let run = 0; run < runs; run++) {
    const rng = seededRng(seed * 1_000_003 + run);
    const pair = new Pair(rng);
    const wanted = 1 + rng.int(30);
    let steps = 0;
    const open = (): boolean => pair.clients.length < wanted || pair.ends.some((end) => !end.quiet);
    while (open() || pair.up.length + pair.down.length > 0) {
      if (++steps > 400_000) throw new Error(`seed ${seed}, run ${run}: stands still`);
      // Earlier it could open more than the server takes.
      if (pair.clients.length < wanted && pair.client.settled && pair.client.canOpen) pair.open();
      if (rng.int(400) === 0) {
        const victim = pair.ends[rng.int(pair.ends.length)];
        if (victim?.stream && !victim.quiet) {
          victim.stream.reset(errorCodes.cancel);
          victim.reset = "own";
        }
      }
      pair.step();
      const [client, server] = pair.limits;
      for (const [at, end] of pair.ends.entries()) {
        const own = pair.clients.includes(end) ? client : server;
        // Before it heard of our SETTINGS the peer may go by the initial window.
        const window = Math.max(own.streamWindowBytes, 65_535);
        if (end.unconsumed > window)
          throw new Error(`run ${run}, end ${at}: ${end.unconsumed} beyond its window`);
        const queued = end.stream?.queuedBytes ?? 0;
        if (queued > own.highWatermarkBytes + 50_000) throw new Error(`run ${run}: ${queued} octets queued`);
        if (end.stream !== null && !end.stream.writable) stalled++;
      }
    }
    pair.settle();
    for (const end of pair.ends) {
      if (end.reset === "") ended++;
      else reset++;
    }
    expect([pair.client.activeStreams, pair.server.activeStreams]).toEqual([0, 0]);
  }
  expect(Math.min(ended, reset, stalled)).toBeGreaterThan(runs / 2);
});
