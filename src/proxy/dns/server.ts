/** The sidecar's DNS on UDP and TCP. */
import type { Clock, Logger, Timer } from "../../base/index.ts";
import { Framer, framed } from "./framing.ts";
import { limits } from "./limits.ts";
import type { Resolver } from "./resolver.ts";

export interface DnsServerOptions {
  readonly resolver: Resolver;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface DnsServer {
  /** In use; of interest where 0 was asked for. */
  readonly port: number;
  stop(): void;
}

/** Listens on each address, on one port for both transports; rejects with the system's error where it cannot. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const opened: { stop(): void }[] = [];
  let { port } = options;
  try {
    for (const address of options.addresses) {
      const tcp = listen(options, address, port);
      opened.push({ stop: () => tcp.stop(true) });
      port = tcp.port;
      const udp = await bind(options, address, port);
      opened.push({ stop: () => udp.close() });
    }
  } catch (error) {
    for (const part of opened) part.stop();
    throw error;
  }
  return {
    port,
    stop: () => {
      for (const part of opened.splice(0)) part.stop();
    },
  };
}

function bind({ resolver, log }: DnsServerOptions, hostname: string, port: number) {
  return Bun.udpSocket({
    hostname,
    port,
    socket: {
      data: (socket, bytes, fromPort, from) => {
        const answer = resolver.answer(bytes, "udp");
        if (answer instanceof Promise)
          void answer.then((a) => socket.closed || socket.send(a, fromPort, from));
        else if (answer !== undefined) socket.send(answer, fromPort, from);
      },
      error: (_, error) => log.debug("a DNS datagram could not be sent", { error: String(error) }),
    },
  });
}

interface Conversation {
  readonly framer: Framer;
  pending: number;
  timer: Timer | undefined;
}

function listen({ resolver, clock }: DnsServerOptions, hostname: string, port: number) {
  let count = 0;
  const wait = (socket: Bun.Socket<Conversation | undefined>): void => {
    socket.data?.timer?.cancel();
    if (socket.data) socket.data.timer = clock.after(limits.tcpIdleMs, () => socket.end());
  };
  return Bun.listen<Conversation | undefined>({
    hostname,
    port,
    socket: {
      open(socket) {
        count++;
        if (count > limits.tcpConnections) {
          socket.end();
          return;
        }
        const framer = new Framer(limits.tcpQuestionBytes, (message) => heard(socket, resolver, message));
        socket.data = { framer, pending: 0, timer: undefined };
        wait(socket);
      },
      data(socket, bytes) {
        if (socket.data?.framer.feed(bytes) !== true) socket.end();
        else wait(socket);
      },
      close(socket) {
        count--;
        socket.data?.timer?.cancel();
        socket.data = undefined;
      },
    },
  });
}

function heard(socket: Bun.Socket<Conversation | undefined>, resolver: Resolver, message: Uint8Array): void {
  const { data } = socket;
  if (data === undefined || data.pending >= limits.tcpPending) {
    socket.end();
    return;
  }
  // Answers are small beside what the kernel takes; who does not read them is cut off.
  const send = (bytes: Uint8Array): void => {
    if (socket.data !== data) return;
    const whole = framed(bytes);
    if (socket.write(whole) < whole.length) socket.terminate();
  };
  const answer = resolver.answer(message, "tcp");
  if (answer === undefined) socket.end();
  else if (!(answer instanceof Promise)) send(answer);
  else {
    data.pending++;
    void answer.then((bytes) => {
      data.pending--;
      send(bytes);
    });
  }
}
