/** Asks the name servers of this machine: UDP from a fresh port each time, TCP where the answer is cut. */
import { type Clock, delay } from "../../base/index.ts";
import { readResponse, tcpBytes } from "../../wire/dns/index.ts";
import { parseIp } from "../../wire/ip/index.ts";
import { Framer, framed } from "./framing.ts";
import { limits } from "./limits.ts";
import type { Upstream } from "./resolver.ts";

/** What matters of a resolv.conf. */
export interface ResolvConf {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  const options: string[] = [];
  let search: string[] = [];
  for (const line of text.split("\n")) {
    const [word = "", ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest[0] !== undefined && parseIp(rest[0])) servers.push(rest[0]);
    if (word === "search" || word === "domain") search = rest.map((d) => d.replace(/\.$/, ""));
    if (word === "options") options.push(...rest);
  }
  return { servers: servers.slice(0, limits.nameServers), search, options };
}

/** Each in turn, `upstreamTries` in all; the first to answer is asked first the next time. */
export function nameServers(
  servers: readonly string[],
  { clock, port = 53 }: { readonly clock: Clock; readonly port?: number },
): Upstream {
  let first = 0;
  return {
    async exchange(query) {
      let last: unknown = new Error("no name server is known");
      for (let i = 0; i < limits.upstreamTries && servers.length > 0; i++) {
        const at = (first + i) % servers.length;
        try {
          const answer = await ask(servers[at]!, port, query, clock);
          first = at;
          return answer;
        } catch (error) {
          last = error;
        }
      }
      throw last;
    },
  };
}

async function ask(server: string, port: number, query: Uint8Array, clock: Clock): Promise<Uint8Array> {
  const over = await limited(clock, (signal) => overUdp(server, port, query, signal));
  if (readResponse(over)?.truncated !== true) return over;
  return limited(clock, (signal) => overTcp(server, port, query, signal));
}

async function limited<T>(clock: Clock, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const end = new AbortController();
  const timer = new AbortController();
  const late = delay(clock, limits.upstreamTryMs, timer.signal).then(() => {
    throw new Error("no answer in time");
  });
  try {
    return await Promise.race([work(end.signal), late]);
  } finally {
    late.catch(() => {});
    timer.abort();
    end.abort();
  }
}

async function overUdp(
  server: string,
  port: number,
  query: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const socket = await Bun.udpSocket({
    connect: { hostname: server, port },
    socket: {
      data: (_, bytes) => {
        // A late or forged answer is waited past: the right one may still come.
        if (bytes.length >= 2 && bytes[0] === query[0] && bytes[1] === query[1])
          resolve(new Uint8Array(bytes));
      },
      error: (_, error) => reject(error),
    },
  });
  signal.addEventListener("abort", () => socket.close());
  if (signal.aborted) socket.close();
  else socket.send(query);
  return promise;
}

async function overTcp(
  server: string,
  port: number,
  query: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const framer = new Framer(tcpBytes, resolve);
  const socket = await Bun.connect({
    hostname: server,
    port,
    socket: {
      open: (s) => void s.write(framed(query)),
      data: (_, bytes) => void framer.feed(bytes),
      close: () => reject(new Error("the connection was closed")),
      error: (_, error) => reject(error),
    },
  });
  signal.addEventListener("abort", () => socket.end());
  if (signal.aborted) socket.end();
  return promise;
}
