/** The descriptor of the epoll that the runtime's loop of this thread waits on: found, since it tells nobody. */
import { readdirSync, readFileSync } from "node:fs";
import { c, family, streamType, words } from "../libc/index.ts";

const members = "/proc/self/fdinfo";

/** Gives the runtime one end of a socket pair and looks which epoll has got it. Undefined where that cannot be seen. */
export async function findRuntimeEpoll(): Promise<number | undefined> {
  const pair = words(2);
  if (c.socketpair(family.unix, streamType, 0, pair.at) !== 0) return undefined;
  const [mine, other] = pair.view;
  const ignore = (): void => undefined;
  // `fd` is missing from the types of the runtime.
  const options = { fd: mine!, socket: { data: ignore, end: ignore, error: ignore } };
  try {
    const socket = await Bun.connect(options as unknown as Bun.TCPSocketConnectOptions);
    const found = epollOf(mine!);
    socket.terminate();
    return found;
  } catch {
    return undefined;
  } finally {
    c.close(other!);
  }
}

function epollOf(fd: number): number | undefined {
  const line = new RegExp(`^tfd:\\s+${fd} `, "m");
  for (const name of readdirSync(members)) {
    try {
      if (line.test(readFileSync(`${members}/${name}`, "latin1"))) return Number(name);
    } catch {
      // Closed meanwhile.
    }
  }
  return undefined;
}
