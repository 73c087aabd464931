/** Where a data thread's plain connections come from: the runtime's sockets, or the thread's own loop. */
import { isIP } from "node:net";
import { dial, type EpollLoop, listen, Streams } from "../../wire/epoll/index.ts";
import { plainHandlers, type Socket, type SocketSlot, slotHandlers } from "./socket.ts";

export interface ListenAt {
  readonly hostname: string;
  readonly port: number;
  /** Connections become TLS, or are looked at before anything is read: the runtime's sockets alone can do so. */
  readonly inspected: boolean;
  /** The socket has no user yet. */
  readonly onAccept: (socket: Socket) => void;
}

export interface Listening {
  readonly port: number;
  /** Its connections can become TLS, and be looked at before they are read. */
  readonly inspects: boolean;
  /** No more connections; those that are open go on. */
  stop(): void;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface Net {
  /** Throws the system's error where it cannot bind. */
  listen(at: ListenAt): Listening;
  /**
   * The slot's user hears of it by onOpen or onRefused. Returns how to give up, which not every one can.
   * `localAddress`: of this machine, to come from; default the system's choice.
   */
  connect(to: Target, slot: SocketSlot, localAddress?: string): () => void;
}

const nothing = (): void => undefined;

/** The runtime's sockets: on every system, and for TLS. */
export const runtimeNet: Net = {
  listen({ hostname, port, onAccept }) {
    const options: Bun.TCPSocketListenOptions<unknown> & { readonly reusePort: boolean } = {
      hostname,
      port,
      reusePort: true,
      allowHalfOpen: true,
      socket: { ...slotHandlers, open: onAccept },
    };
    const listener = Bun.listen(options);
    return { port: listener.port, inspects: true, stop: () => listener.stop(false) };
  },
  connect({ host, port }, slot, localAddress) {
    // `localAddress` is missing from the runtime's types.
    const from = localAddress === undefined ? {} : { localAddress };
    const options = { hostname: host, port, ...from, socket: plainHandlers, data: slot };
    // A rejection is reported by connectError as well.
    Bun.connect(options as Bun.TCPSocketConnectOptions<SocketSlot>).catch(nothing);
    return nothing;
  },
};

/** The thread's own loop for what stays plaintext; the rest as above. */
export function epollNet(loop: EpollLoop): Net {
  const streams = new Streams(loop);
  return {
    listen(at) {
      if (at.inspected) return runtimeNet.listen(at);
      const { port, stop } = listen(streams, at);
      return { port, inspects: false, stop };
    },
    connect(to, slot, localAddress) {
      // Names are the runtime's to resolve.
      if (isIP(to.host) === 0) return runtimeNet.connect(to, slot, localAddress);
      return dial(streams, {
        ...to,
        localAddress,
        slot,
        onOpen: (stream) => slot.user.onOpen(stream, null),
        onRefused: (detail) => slot.user.onRefused({ code: "tls.connect", detail }),
      });
    },
  };
}
