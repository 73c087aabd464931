/** Incoming connections of the loop. */
import { acceptFlags, again, c, interest } from "../libc/index.ts";
import { acceptPauseMs, acceptsPerRound, backlog } from "./limits.ts";
import type { Watcher } from "./loop.ts";
import { EpollStream, noDelay, type Streams } from "./stream.ts";

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly onAccept: (stream: EpollStream) => void;
}

export interface Listening {
  readonly port: number;
  /** Takes those that wait, then no more; those that are open go on. */
  stop(): void;
}

/** Binds, with SO_REUSEPORT, and accepts; throws the system's error where it cannot bind. */
export function listen(streams: Streams, options: ListenOptions): Listening {
  const { loop } = streams;
  // The runtime binds: its errors, its flags. A copy of the descriptor goes on when it has let go of its own.
  const bound: Bun.TCPSocketListenOptions & { readonly reusePort: boolean } = {
    hostname: options.hostname,
    port: options.port,
    reusePort: true,
    socket: { data: () => undefined },
  };
  const listener = Bun.listen(bound);
  const { port } = listener;
  const fd = c.dup((listener as unknown as { readonly fd: number }).fd);
  listener.stop(true);
  c.listen(fd, backlog);
  let stopped = false;
  /** False where there is nothing more to accept. */
  const acceptOne = (): boolean => {
    const accepted = c.accept4(fd, 0, 0, acceptFlags);
    if (accepted < 0) {
      // EMFILE and the like, and a peer that went away before it was accepted: neither ends the listener.
      if (!again() && !stopped) rest();
      return false;
    }
    noDelay(accepted);
    options.onAccept(new EpollStream(streams, accepted));
    return true;
  };
  const rest = (): void => {
    loop.change(fd, 0);
    loop.clock.after(acceptPauseMs, () => {
      if (!stopped) loop.change(fd, interest.in);
    });
  };
  const watcher: Watcher = {
    onReady() {
      for (let i = 0; i < acceptsPerRound && acceptOne(); i++);
    },
    onFault: () => undefined,
  };
  loop.watch(fd, watcher, interest.in);
  return {
    port,
    stop() {
      if (stopped) return;
      stopped = true;
      // Who waits has connected already: closing would reset it.
      for (let i = 0; i < backlog && acceptOne(); i++);
      // At once: until then the kernel would go on giving it connections. No event of a round is told meanwhile.
      loop.forget(fd);
      c.close(fd);
    },
  };
}
