/** A HTTP/2 server on loopback for real clients and judges: ServerConnection on Bun's sockets, port 0. */
import { systemClock } from "../base/index.ts";
import type { HeaderList } from "../wire/http/index.ts";
import {
  type Http2Error,
  type Http2Limits,
  type Http2Output,
  type Http2RequestHead,
  type Http2ServerStream,
  ServerConnection,
  type ServerHandler,
  type StreamHandler,
} from "../wire/http2/index.ts";

export type OnRequest = (
  stream: Http2ServerStream,
  head: Http2RequestHead,
  endStream: boolean,
) => StreamHandler;

export interface TestServerOptions {
  readonly onRequest?: OnRequest;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly limits?: Http2Limits;
  readonly extendedConnect?: boolean;
}

export interface TestServer {
  readonly port: number;
  readonly faults: readonly Http2Error[];
  readonly errors: readonly Http2Error[];
  readonly connections: ReadonlySet<ServerConnection>;
  stop(): void;
}

/** A handler that does nothing but what it is given; it consumes what nobody takes. */
export function streamHandler(stream: () => { consume(n: number): void }, own: Partial<StreamHandler>) {
  return {
    onInformational() {},
    onResponse() {},
    onData: (chunk: Uint8Array) => stream().consume(chunk.length),
    onTrailers() {},
    onEnd() {},
    onReset() {},
    onWritable() {},
    ...own,
  } satisfies StreamHandler;
}

/** Sends the request's body back as it comes; requests without one get a short text. Trailers go back too. */
export const echo: OnRequest = (stream, head, endStream) => {
  const headers: HeaderList = ["content-type", "text/plain", "x-path", head.path];
  if (endStream) {
    stream.sendResponse(200, headers, head.method === "HEAD");
    if (head.method !== "HEAD") stream.sendData(Buffer.from("hello, HTTP/2\n"), true);
    return streamHandler(() => stream, {});
  }
  stream.sendResponse(200, headers, false);
  /** Octets sent that are not consumed yet, since the queue is full. */
  let held = 0;
  let ended = false;
  const settle = (): void => {
    stream.consume(held);
    held = 0;
  };
  return streamHandler(() => stream, {
    onData(chunk) {
      held += chunk.length;
      if (stream.sendData(chunk, false)) settle();
    },
    onTrailers(trailers) {
      ended = true;
      stream.sendTrailers(trailers);
    },
    onEnd() {
      if (!ended) stream.end();
    },
    onWritable: settle,
  });
};

interface Held {
  connection: ServerConnection;
}

export function http2Server(options: TestServerOptions = {}): TestServer {
  const faults: Http2Error[] = [];
  const errors: Http2Error[] = [];
  const connections = new Set<ServerConnection>();
  const accept = (socket: Bun.Socket<Held>): ServerConnection => {
    // Closing whole while the client still writes would reset the connection, and lose what it was told.
    const leave = (): void => queueMicrotask(() => void socket.shutdown());
    const output: Http2Output = {
      write: (bytes) => socket.write(bytes),
      onUnflushed: () => queueMicrotask(() => connection.flush()),
    };
    const handler: ServerHandler = {
      onRequest: options.onRequest ?? echo,
      onSettings() {},
      onGoaway() {
        if (connection.activeStreams === 0) leave();
      },
      onStreamFault: (error) => void faults.push(error),
      onIdle() {
        if (connection.closing) leave();
      },
      onPong() {},
      onError(error) {
        errors.push(error);
        leave();
      },
    };
    const connection = new ServerConnection({
      ...{ output, handler, clock: systemClock, extendedConnect: options.extendedConnect ?? false },
      ...(options.limits ? { limits: options.limits } : {}),
    });
    return connection;
  };
  const listener = Bun.listen<Held>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    ...(options.tls
      ? { tls: { ...options.tls, ALPNProtocols: Buffer.from("\x02h2") } as Bun.TLSOptions }
      : {}),
    socket: {
      open(socket) {
        const connection = accept(socket);
        socket.data = { connection };
        connections.add(connection);
      },
      data(socket, bytes) {
        const { connection } = socket.data;
        connection.feed(bytes);
        connection.flush();
      },
      drain: (socket) => socket.data.connection.drained(),
      end: (socket) => void socket.end(),
      close(socket) {
        connections.delete(socket.data.connection);
        socket.data.connection.close();
      },
      error() {},
    },
  });
  return { port: listener.port, faults, errors, connections, stop: () => listener.stop(true) };
}
