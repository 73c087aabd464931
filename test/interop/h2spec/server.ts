/** The smallest server on the codec alone: what h2spec finds there is the codec's, not the proxy's. */
import { systemClock } from "../../../src/base/index.ts";
import {
  type Http2ServerStream,
  ServerConnection,
  type ServerHandler,
  type StreamHandler,
} from "../../../src/wire/http2/index.ts";

const body = Buffer.from("hello, world\n".repeat(8));

class Answering implements StreamHandler {
  private readonly stream: Http2ServerStream;

  constructor(stream: Http2ServerStream) {
    this.stream = stream;
  }
  onInformational(): void {}
  onResponse(): void {}
  onData(chunk: Uint8Array): void {
    this.stream.consume(chunk.length);
  }
  onTrailers(): void {}
  onEnd(): void {
    this.stream.sendResponse(200, ["content-type", "text/plain"], false);
    this.stream.sendData(body, true);
  }
  onReset(): void {}
  onWritable(): void {}
}

const nothing = (): void => {};

/** Answers each request with 200 and a few octets when its body has come. */
export function serveCodec(): { readonly port: number; stop(): void } {
  const listener = Bun.listen<{ connection: ServerConnection }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        const handler: ServerHandler = {
          onRequest: (stream) => new Answering(stream),
          onSettings: nothing,
          onGoaway: nothing,
          onStreamFault: nothing,
          onIdle: nothing,
          onPong: nothing,
          onError: () => socket.end(),
        };
        const output = { write: (bytes: Uint8Array) => socket.write(bytes), onUnflushed: nothing };
        const connection = new ServerConnection({ output, clock: systemClock, handler });
        socket.data = { connection };
        connection.flush();
      },
      data(socket, bytes) {
        socket.data.connection.feed(bytes);
        socket.data.connection.flush();
      },
      drain: (socket) => socket.data.connection.drained(),
      close: (socket) => socket.data.connection.close(),
    },
  });
  return { port: listener.port, stop: () => listener.stop(true) };
}
