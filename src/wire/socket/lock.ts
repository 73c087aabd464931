/**
 * One sidecar per address: with reusePort two processes can bind the same port and would mix two identities, so the
 * agent takes this lock first. An abstract Unix socket: the kernel drops it with the process, whatever kills that.
 */
import { createConnection, createServer, type Server } from "node:net";
import type { Clock } from "../../base/index.ts";
import { whoListens } from "./holder.ts";
import { holderTimeoutMs, maxHolderBytes } from "./limits.ts";

/** Somebody else holds the address; the message names it and who. */
export class AddressInUseError extends Error {
  override name = "AddressInUseError";
  readonly address: string;
  readonly holder: string;

  constructor(address: string, holder: string) {
    super(`${address} is held by ${holder}`);
    this.address = address;
    this.holder = holder;
  }
}

export interface AddressLock {
  /** Idempotent. */
  release(): void;
}

const lockName = (address: string): string => `\0weft/lock/${address}`;

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, maxHolderBytes);

/** Asks the holder who it is; its words are untrusted: cut and cleaned. */
function askHolder(address: string, clock: Clock): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = createConnection({ path: lockName(address) });
    const finish = (): void => {
      timer.cancel();
      socket.destroy();
      resolve(answer === "" ? "another process" : printable(answer));
    };
    const timer = clock.after(holderTimeoutMs, finish);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      answer += text;
      if (answer.length >= maxHolderBytes) finish();
    });
    socket.on("end", finish);
    socket.on("error", finish);
  });
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: lockName(address) }, () => resolve());
  });
}

/**
 * Locks `host:port` for this process; `owner` is what others are told ("weft run reviews"). Rejects with
 * AddressInUseError. Linux only: elsewhere there is no such trap with reusePort, and the lock is a formality.
 */
export async function lockAddress(options: {
  readonly host: string;
  readonly port: number;
  readonly owner: string;
  readonly clock: Clock;
}): Promise<AddressLock> {
  if (process.platform !== "linux") return { release: () => {} };
  const address = `${options.host}:${options.port}`;
  const greeting = `${options.owner} (pid ${process.pid})`;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(greeting);
  });
  try {
    await listen(server, address);
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code !== "EADDRINUSE") throw error;
    throw new AddressInUseError(address, await askHolder(address, options.clock));
  }
  server.unref();
  let held = true;
  return {
    release() {
      if (held) server.close();
      held = false;
    },
  };
}

/**
 * Whether the address can be listened on, without reusePort; throws AddressInUseError that names the holder where
 * /proc shows it, or the system's error (EADDRNOTAVAIL, EACCES) as it is.
 */
export function probeAddress(host: string, port: number): void {
  let listener: Bun.TCPSocketListener<undefined>;
  try {
    listener = Bun.listen({ hostname: host, port, exclusive: true, socket: { data() {} } });
  } catch (error) {
    if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
    throw new AddressInUseError(`${host}:${port}`, whoListens(host, port) ?? "another process");
  }
  listener.stop(true);
}
