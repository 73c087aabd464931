/** One TLS connection on loopback between wire/tls's server and client, and how it ended on both sides. */
import { systemClock } from "../base/index.ts";
import {
  createTlsClient,
  createTlsServer,
  type TlsClientOptions,
  type TlsHandlers,
  type TlsInfo,
  type TlsRefusal,
  type TlsRuntime,
  type TlsServerOptions,
  type TlsSocket,
} from "../wire/tls/index.ts";

export interface Side {
  /** Of `open`; undefined where the side was refused. */
  info?: TlsInfo;
  refusal?: TlsRefusal;
  /** All that the application was given. */
  heard: string;
  /** Callbacks in order. */
  events: string[];
  socket?: TlsSocket;
  errors: Error[];
}

const side = (): Side => ({ heard: "", events: [], errors: [] });

function handlers(settle: () => void, greeting: string): TlsHandlers<Side> {
  return {
    open(conn, socket, info) {
      conn.socket = socket;
      conn.info = info;
      conn.events.push("open");
      if (greeting !== "") socket.write(greeting);
    },
    data(conn, bytes) {
      conn.heard += Buffer.from(bytes).toString("latin1");
      conn.events.push("data");
      settle();
    },
    drain() {},
    end(conn) {
      conn.events.push("end");
      conn.socket?.terminate();
    },
    close(conn) {
      conn.events.push("close");
      settle();
    },
    refused(conn, refusal) {
      conn.refusal = refusal;
      conn.events.push("refused");
      settle();
    },
    error(conn, error) {
      conn.errors.push(error);
    },
  };
}

export interface Meeting {
  readonly server: Side;
  readonly client: Side;
}

/** Each side greets the other; resolves once both heard something, were refused, or were closed. */
export async function tlsMeet(
  server: TlsServerOptions,
  client: TlsClientOptions,
  runtime: TlsRuntime = { clock: systemClock },
): Promise<Meeting> {
  const result = { server: side(), client: side() };
  const done = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const acceptor = createTlsServer<Side>(server, handlers(done[0].resolve, "hello from server"), runtime);
  const listener = Bun.listen<unknown>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: { open: (socket) => acceptor.accept(socket, result.server), data() {} },
  });
  const dialler = createTlsClient<Side>(client, handlers(done[1].resolve, "hello from client"));
  dialler.connect({ host: "127.0.0.1", port: listener.port }, result.client);
  try {
    await Promise.all(done.map((d) => d.promise));
  } finally {
    result.server.socket?.terminate();
    result.client.socket?.terminate();
    acceptor.stop();
    listener.stop(true);
  }
  return result;
}
