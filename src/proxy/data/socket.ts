/** Sockets as the data thread sees them: the user of a socket is the socket's `data`; handlers are shared. */
import type { TlsHandlers, TlsInfo, TlsRefusal } from "../../wire/tls/index.ts";
import { reportFault } from "./faults.ts";

export type Socket = Bun.Socket<unknown>;

/** Events of one connection, plain or TLS. `onOpen` or `onRefused` comes first; after `onOpen` exactly one `onClosed`. */
export interface SocketUser {
  /** `tls`: null on a plain connection. */
  onOpen(socket: Socket, tls: TlsInfo | null): void;
  onRefused(refusal: TlsRefusal): void;
  /** The bytes may be kept until the handler returns. */
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

/** Handlers for a plain outgoing connection whose data is a SocketSlot. */
export const plainHandlers: Bun.SocketHandler<SocketSlot> = {
  open: (socket) => socket.data.user.onOpen(socket as unknown as Socket, null),
  data: (socket, bytes) => socket.data.user.onBytes(bytes),
  drain: (socket) => socket.data.user.onDrain(),
  end: (socket) => socket.data.user.onFin(),
  close: (socket) => socket.data.user.onClosed(),
  error: (socket, error) => {
    reportFault(error);
    socket.terminate();
  },
  connectError: (socket, error) =>
    socket.data.user.onRefused({
      code: "tls.connect",
      detail: `${(error as { code?: string }).code ?? error.message}`,
    }),
};
