/** A HTTP/2 client on loopback for real servers: ClientConnection on Bun's sockets. */
import { systemClock } from "../base/index.ts";
import type { HeaderList } from "../wire/http/index.ts";
import { ClientConnection, errorName, type Http2Error, type Http2Limits } from "../wire/http2/index.ts";

export interface TestRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: HeaderList;
  readonly body?: Uint8Array;
  readonly trailers?: HeaderList;
}

export interface TestResponse {
  status: number;
  headers: HeaderList;
  body: Buffer;
  trailers: HeaderList;
  informational: number[];
}

/** Octets written at once. */
const pieceBytes = 20_000;

export class TestClient {
  readonly connection: ClientConnection;
  readonly errors: Http2Error[] = [];
  private readonly socket: Bun.Socket<TestClient>;

  private constructor(socket: Bun.Socket<TestClient>, limits: Http2Limits | undefined) {
    this.socket = socket;
    this.connection = new ClientConnection({
      clock: systemClock,
      output: {
        write: (bytes) => socket.write(bytes),
        onUnflushed: () => queueMicrotask(() => this.connection.flush()),
      },
      handler: {
        onSettings() {},
        onGoaway() {},
        onStreamFault: (error) => void this.errors.push(error),
        onIdle() {},
        onPong() {},
        onError: (error) => {
          this.errors.push(error);
          socket.end();
        },
      },
      ...(limits ? { limits } : {}),
    });
  }

  static connect(port: number, limits?: Http2Limits): Promise<TestClient> {
    return new Promise((resolve, reject) => {
      Bun.connect<TestClient>({
        hostname: "127.0.0.1",
        port,
        socket: {
          open(socket) {
            socket.data = new TestClient(socket, limits);
            resolve(socket.data);
          },
          data(socket, bytes) {
            socket.data.connection.feed(bytes);
            socket.data.connection.flush();
          },
          drain: (socket) => socket.data.connection.drained(),
          close: (socket) => socket.data?.connection.close(),
        },
      }).catch(reject);
    });
  }

  request(request: TestRequest): Promise<TestResponse> {
    return new Promise((resolve, reject) => {
      const response: TestResponse = {
        status: 0,
        headers: [],
        body: Buffer.alloc(0),
        trailers: [],
        informational: [],
      };
      const body: Uint8Array[] = [];
      const { method = "GET", path = "/", headers = [], body: toSend, trailers = [] } = request;
      const noBody = toSend === undefined && trailers.length === 0;
      let at = 0;
      const write = (): void => {
        let writable = true;
        while (stream !== null && toSend !== undefined && at < toSend.length && writable) {
          writable = stream.sendData(toSend.subarray(at, at + pieceBytes), false);
          at += pieceBytes;
        }
        if (stream !== null && !stream.sendEnded && at >= (toSend?.length ?? 0))
          stream.sendTrailers(trailers);
      };
      const stream = this.connection.openStream(
        {
          ...{ method, path, scheme: "http", authority: "localhost", protocol: null, headers },
          ...{ contentLength: -1, neverIndexed: [] },
        },
        noBody,
        {
          onInformational: (head) => void response.informational.push(head.status),
          onResponse(head) {
            response.status = head.status;
            response.headers = head.headers;
          },
          onData(chunk) {
            body.push(Uint8Array.from(chunk));
            stream?.consume(chunk.length);
          },
          onTrailers(list) {
            response.trailers = list;
          },
          onEnd() {
            response.body = Buffer.concat(body);
            resolve(response);
          },
          onReset: (code, cause) => reject(new Error(`reset: ${errorName(code)} ${cause}`)),
          onWritable: write,
        },
      );
      if (stream === null) reject(new Error("no stream can be opened"));
      else if (!noBody) write();
    });
  }

  close(): void {
    this.socket.end();
  }
}
