/** Sockets as the data thread sees them: the user of a socket is the socket's `data`; handlers are shared. */
import type { TlsHandlers, TlsInfo, TlsRefusal } from "../../wire/tls/index.ts";
import { reportFault } from "./faults.ts";

/** The runtime's: the only one that can become TLS. */
export type RuntimeSocket = Bun.Socket<unknown>;

/** A connection's socket, the runtime's or one of the thread's own loop. */
export interface Socket {
  /** The SocketSlot of whoever has the connection. */
  data: unknown;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Bytes taken, 0 or more; what is left waits for onDrain. Negative: the connection is gone. */
  write(bytes: Uint8Array, offset?: number, length?: number): number;
  /** No more bytes follow; reading goes on. */
  shutdown(): void;
  /** Closes in order. */
  end(): void;
  /** Closes with a reset. */
  terminate(): void;
  pause(): void;
  resume(): void;
}

export function isRuntime(socket: Socket): socket is Socket & RuntimeSocket {
  return "upgradeTLS" in socket;
}

/** Events of one connection, plain or TLS. `onOpen` or `onRefused` comes first; after `onOpen` exactly one `onClosed`. */
export interface SocketUser {
  /** `tls`: null on a plain connection. */
  onOpen(socket: Socket, tls: TlsInfo | null): void;
  onRefused(refusal: TlsRefusal): void;
  /** The bytes are valid until the handler returns: the next read may overwrite them. */
  onBytes(bytes: Uint8Array): void;
  onDrain(): void;
  onFin(): void;
  onClosed(): void;
  /** Finish what is under way and close; absent: only a deadline ends it. */
  drain?(): void;
}

/** Lets a socket's user be replaced: chain choice, tunnels. */
export interface SocketSlot {
  user: SocketUser;
}

/** Handlers for TlsServer and TlsClient. */
export const tlsHandlers: TlsHandlers<SocketSlot> = {
  open: (slot, socket, info) => slot.user.onOpen(socket, info),
  data: (slot, bytes) => slot.user.onBytes(bytes),
  drain: (slot) => slot.user.onDrain(),
  end: (slot) => slot.user.onFin(),
  close: (slot) => slot.user.onClosed(),
  refused: (slot, refusal) => slot.user.onRefused(refusal),
  error: (_, error) => reportFault(error),
};

const user = (socket: Bun.Socket<unknown>): SocketUser | undefined =>
  (socket.data as SocketSlot | undefined)?.user;

/** Handlers for plain connections; accepted ones have no slot until a filter chain is chosen. */
export const slotHandlers: Bun.SocketHandler<unknown> = {
  data: (socket, bytes) => user(socket)?.onBytes(bytes),
  drain: (socket) => user(socket)?.onDrain(),
  end: (socket) => user(socket)?.onFin(),
  close: (socket) => user(socket)?.onClosed(),
  error: (socket, error) => {
    reportFault(error);
    socket.terminate();
  },
};

/** Handlers for a plain outgoing connection, which has its slot from the beginning. */
export const plainHandlers: Bun.SocketHandler<unknown> = {
  ...slotHandlers,
  open: (socket) => user(socket)?.onOpen(socket, null),
  connectError: (socket, error) =>
    user(socket)?.onRefused({
      code: "tls.connect",
      detail: `${(error as { code?: string }).code ?? error.message}`,
    }),
};
