/**
 * A way from one network namespace into another: a Unix socket by its path, which no namespace confines. Who connects
 * says in one line where to, and is connected from where the gate's process lives: `tcp ADDRESS PORT`, `dns` (messages
 * with their length before them), or `hold` (nothing; its end says that the process behind the gate is gone).
 */

import type { Clock, Logger } from "../../base/index.ts";
import { Framer, framed, type Upstream } from "../../proxy/dns/index.ts";
import { parseIp } from "../../wire/ip/index.ts";
import { originalDestination } from "../../wire/socket/index.ts";
import { limits } from "./limits.ts";
import { End, endHandlers, join } from "./splice.ts";

export interface GateOptions {
  /** Of the socket; at most 107 bytes, in a folder that others cannot enter. */
  readonly path: string;
  /** Answers `dns`; absent: refused. */
  readonly names?: Upstream;
  readonly log: Logger;
}

export interface Gate {
  stop(): void;
}

export function openGate({ path, names, log }: GateOptions): Gate {
  const listener = Bun.listen<End | undefined>({
    unix: path,
    allowHalfOpen: true,
    socket: accepting((end, socket) => {
      end.head = headReader(end, names, log);
      end.opened(socket);
    }),
  } as Bun.UnixSocketOptions<End | undefined>);
  return { stop: () => listener.stop(true) };
}

/** Handlers of a listener: each connection gets its end, `relayed` at once at the most. */
function accepting(
  begin: (end: End, socket: Bun.Socket<End | undefined>) => void,
): Bun.SocketHandler<End | undefined> {
  let count = 0;
  return {
    ...endHandlers,
    open(socket) {
      if (count >= limits.relayed) {
        socket.terminate();
        return;
      }
      count++;
      const end = new End();
      end.onClosed = () => {
        count--;
      };
      socket.data = end;
      begin(end, socket);
    },
  };
}

/** Until the first line is whole. */
function headReader(end: End, names: Upstream | undefined, log: Logger): NonNullable<End["head"]> {
  let held = Buffer.alloc(0);
  return (bytes) => {
    held = Buffer.concat([held, bytes]);
    const at = held.indexOf(10);
    if (at < 0 || at > limits.headBytes) {
      if (held.length > limits.headBytes) end.abort();
      return undefined;
    }
    const [word, address = "", port = ""] = held.toString("latin1", 0, at).split(" ");
    const rest = held.subarray(at + 1);
    end.head = undefined;
    if (word === "hold") return undefined;
    if (word === "dns" && names !== undefined) {
      answerNames(end, names, rest);
      return undefined;
    }
    if (word !== "tcp" || parseIp(address) === undefined || !/^\d{1,5}$/.test(port)) {
      log.warn("a relay was asked for something unknown");
      end.abort();
      return undefined;
    }
    dial(end, address, Number(port));
    return rest;
  };
}

function dial(end: End, hostname: string, port: number): void {
  const far = new End();
  join(end, far);
  Bun.connect({ hostname, port, socket: endHandlers, data: far, allowHalfOpen: true }).catch(() =>
    // Refused here, refused there: a reset is what the kernel would have sent.
    end.abort(),
  );
}

function answerNames(end: End, names: Upstream, rest: Uint8Array): void {
  const framer = new Framer(65_535, (message) => {
    names.exchange(message).then(
      (answer) => end.write(framed(answer)),
      () => end.abort(),
    );
  });
  end.head = (bytes) => {
    if (!framer.feed(bytes)) end.abort();
    return undefined;
  };
  if (rest.length > 0) end.head(rest);
}

function throughGate(path: string, near: End, head: string): void {
  const far = new End();
  join(near, far);
  far.write(Buffer.from(head));
  Bun.connect({ unix: path, socket: endHandlers, data: far }).catch(() => near.abort());
}

const headOf = (address: string, port: number): string => `tcp ${address} ${port}\n`;

/** Listens at `host:port` and passes each connection through the gate, always to `to`, or to where it was meant to go. */
export function relayThrough(
  gate: string,
  at: { readonly host: string; readonly port: number },
  to: { readonly address: string; readonly port: number } | "original",
): { readonly port: number; stop(): void } {
  const listener = Bun.listen<End | undefined>({
    hostname: at.host,
    port: at.port,
    allowHalfOpen: true,
    socket: accepting((end, socket) => {
      const fd = (socket as unknown as { readonly fd: number }).fd;
      const meant = to === "original" ? originalDestination(fd) : to;
      end.socket = socket;
      // Not redirected: it would come back here for ever.
      if (meant === undefined || (to === "original" && meant.port === at.port)) end.abort();
      else throughGate(gate, end, headOf(meant.address, meant.port));
    }),
  });
  return { port: listener.port, stop: () => listener.stop(true) };
}

/** Name servers of the gate's process. One connection a question: they are few behind the cache. */
export function namesThrough(gate: string, clock: Clock): Upstream {
  return {
    exchange(query) {
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
      const end = new End();
      const late = clock.after(limits.dialMs, () => {
        reject(new Error("no answer in time"));
        end.abort();
      });
      const framer = new Framer(65_535, resolve);
      end.head = (bytes) => {
        framer.feed(bytes);
        return undefined;
      };
      end.onClosed = () => reject(new Error("nobody answered"));
      end.write(Buffer.concat([Buffer.from("dns\n"), framed(query)]));
      Bun.connect({ unix: gate, socket: endHandlers, data: end }).catch(reject);
      return promise.finally(() => {
        late.cancel();
        end.socket?.end();
      });
    },
  };
}

/** Calls back when the gate's process is gone. */
export async function holdGate(gate: string, onGone: () => void): Promise<{ stop(): void }> {
  const end = new End();
  end.onClosed = onGone;
  end.write(Buffer.from("hold\n"));
  const socket = await Bun.connect<End | undefined>({ unix: gate, socket: endHandlers, data: end });
  return {
    stop() {
      end.onClosed = undefined;
      socket.end();
    },
  };
}
