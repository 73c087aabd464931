/**
 * What the HTTP/2 codec costs of JavaScript, without sockets: `bun bench/micro/http2.ts`. A client's bytes are recorded and
 * replayed to servers, a server's to clients, so that each side is measured alone; the best of several rounds.
 */
import { systemClock } from "../../src/base/index.ts";
import type { HeaderList } from "../../src/wire/http/index.ts";
import {
  ClientConnection,
  type ConnectionHandler,
  type Http2RequestHead,
  type Http2ServerStream,
  type Http2Stream,
  ServerConnection,
  type ServerHandler,
  type StreamHandler,
} from "../../src/wire/http2/index.ts";

const requests = Number(process.env["REQUESTS"] ?? 20_000);
const rounds = Number(process.env["ROUNDS"] ?? 9);
const clock = systemClock;
const body = Buffer.from("hello, world\n".repeat(8));
const answerHeaders: HeaderList = [
  ...["content-type", "text/plain", "content-length", "104", "server", "weft", "x-request-id", "5f2b1c4e"],
  ...["date", "Tue, 24 Nov 2026 04:00:00 GMT", "x-envoy-upstream-service-time", "1"],
];
const request = (i: number): Http2RequestHead => ({
  method: "GET",
  scheme: "http",
  authority: "reviews.default.svc.cluster.local",
  path: `/reviews/${i % 10}`,
  protocol: null,
  headers: [
    ...["user-agent", "curl/7.88.1", "accept", "*/*", "x-request-id", `4e1c2b5f-${i}`],
    ...["x-forwarded-proto", "http", "x-forwarded-for", "10.0.0.1"],
  ],
  contentLength: -1,
  neverIndexed: [],
});

const idle: ConnectionHandler = {
  onSettings() {},
  onGoaway() {},
  onStreamFault() {},
  onIdle() {},
  onPong() {},
  onError(error) {
    throw new Error(error.detail);
  },
};

class Sink implements StreamHandler {
  stream: Http2Stream | null = null;
  onInformational(): void {}
  onResponse(): void {}
  onData(chunk: Uint8Array): void {
    this.stream!.consume(chunk.length);
  }
  onTrailers(): void {}
  onEnd(): void {}
  onReset(): void {}
  onWritable(): void {}
}

class Answering extends Sink {
  override onEnd(): void {
    const stream = this.stream as Http2ServerStream;
    stream.sendResponse(200, answerHeaders, false);
    stream.sendData(body, true);
  }
}

/** Octets of each flush, kept. */
class Tape {
  readonly pieces: Uint8Array[] = [];
  keep = true;
  write(bytes: Uint8Array): number {
    if (this.keep) this.pieces.push(Uint8Array.from(bytes));
    return bytes.length;
  }
  onUnflushed(): void {}
  take(): Uint8Array {
    return Buffer.concat(this.pieces.splice(0));
  }
}

function server(tape: Tape): ServerConnection {
  const handler: ServerHandler = {
    ...idle,
    onRequest(stream) {
      const answering = new Answering();
      answering.stream = stream;
      return answering;
    },
  };
  return new ServerConnection({ output: tape, clock, handler });
}

function open(client: ClientConnection, i: number): void {
  const sink = new Sink();
  sink.stream = client.openStream(heads[i]!, true, sink);
}

const heads = Array.from({ length: requests }, (_, i) => request(i));

/** What each side sends, an event at a time, with `batch` requests at once. */
function record(batch: number): { toServer: Uint8Array[]; toClient: Uint8Array[] } {
  const out = new Tape();
  const back = new Tape();
  const client = new ClientConnection({ output: out, clock, handler: idle });
  const peer = server(back);
  const toServer: Uint8Array[] = [];
  const toClient: Uint8Array[] = [];
  for (let i = 0; i < requests; i += batch) {
    for (let j = i; j < i + batch; j++) open(client, j);
    client.flush();
    toServer.push(out.take());
    peer.feed(toServer.at(-1)!);
    peer.flush();
    toClient.push(back.take());
    client.feed(toClient.at(-1)!);
  }
  return { toServer, toClient };
}

function best(round: () => number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    Bun.gc(true);
    least = Math.min(least, round());
  }
  return (least * 1000) / requests;
}

for (const batch of [1, 10]) {
  const { toServer, toClient } = record(batch);
  const serverUs = best(() => {
    const tape = new Tape();
    tape.keep = false;
    const connection = server(tape);
    const start = clock.now();
    for (let i = 0; i < toServer.length; i++) {
      connection.feed(toServer[i]!);
      connection.flush();
    }
    return clock.now() - start;
  });
  const clientUs = best(() => {
    const tape = new Tape();
    tape.keep = false;
    const connection = new ClientConnection({ output: tape, clock, handler: idle });
    const start = clock.now();
    for (let i = 0; i < toClient.length; i++) {
      for (let j = i * batch; j < (i + 1) * batch; j++) open(connection, j);
      connection.flush();
      connection.feed(toClient[i]!);
    }
    return clock.now() - start;
  });
  console.log(
    `${batch} at once: server ${serverUs.toFixed(2)} us, client ${clientUs.toFixed(2)} us a request and response`,
  );
}
