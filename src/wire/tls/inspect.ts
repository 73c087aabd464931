/** Chooses by the first bytes before any is read: MSG_PEEK on the descriptor, since upgradeTLS takes none back. */
import type { Clock } from "../../base/index.ts";
import { type Block, c, level, octets, option, peekFlags, words } from "../libc/index.ts";
import { type HttpSniff, sniffHttp } from "../sniff/index.ts";
import { type ClientHelloPeek, peekClientHello } from "./client-hello.ts";
import { inspectFirstWaitMs, inspectLongestWaitMs, inspectTimeoutMs, maxClientHelloBytes } from "./limits.ts";

/** What a connection begins with. `closed`: the peer went away; `silent`: nothing decisive in time. */
export type Inspection =
  | { readonly kind: "tls"; readonly sni: string; readonly alpn: readonly string[] }
  /** `http`: where it was asked for. */
  | { readonly kind: "plain"; readonly http?: HttpSniff }
  | { readonly kind: "bad"; readonly detail: string }
  | { readonly kind: "silent" }
  | { readonly kind: "closed" };

let scratch: Block<Buffer> | undefined;

/** Bytes waiting in the socket, not consumed: view valid until the next call; empty = closed; undefined = none yet. */
export function peekBytes(fd: number): Uint8Array | undefined {
  scratch ??= octets(maxClientHelloBytes);
  const n = c.recv(fd, scratch.at, maxClientHelloBytes, peekFlags);
  return n < 0 ? undefined : scratch.view.subarray(0, n);
}

/**
 * Has the kernel hand over connections only once a byte has come (or after `seconds`), so that `inspect` seldom
 * waits. Not for ports where the server speaks first. Returns false where the option was not taken.
 */
export function deferAccept(listenerFd: number, seconds: number): boolean {
  const value = words(1);
  value.view[0] = seconds;
  return c.setsockopt(listenerFd, level.tcp, option.deferAccept, value.at, 4) === 0;
}

const plain: Inspection = { kind: "plain" };

function judge(bytes: Uint8Array, http: boolean): Inspection | undefined {
  const peek: ClientHelloPeek = peekClientHello(bytes);
  if (!peek.tls) {
    if (!http) return plain;
    const sniffed = sniffHttp(bytes);
    return sniffed && { kind: "plain", http: sniffed };
  }
  if ("error" in peek) return { kind: "bad", detail: peek.error };
  return peek.complete ? { kind: "tls", sni: peek.sni, alpn: peek.alpn } : undefined;
}

export interface InspectOptions {
  readonly clock: Clock;
  /** Default limits.ts inspectTimeoutMs. */
  readonly timeoutMs?: number;
  /** Also tell HTTP from other plaintext. */
  readonly http?: boolean;
}

/**
 * Tells how a connection begins; call in `open`, before anything is read. `done` is called once, mostly before this
 * returns. Otherwise the socket is paused and looked at again after 1, 2, 4 ... 32 ms (there is no wake-up without a
 * read); it is resumed before `done`, which upgrades it, reads on as plain, or closes it.
 */
export function inspect(
  socket: Bun.Socket<unknown>,
  options: InspectOptions,
  done: (found: Inspection) => void,
): void {
  const fd = (socket as unknown as { fd: number }).fd;
  const first = peekBytes(fd);
  const { http = false } = options;
  const found = first && (first.length === 0 ? { kind: "closed" as const } : judge(first, http));
  if (found) {
    done(found);
    return;
  }
  const { clock } = options;
  const deadline = clock.now() + (options.timeoutMs ?? inspectTimeoutMs);
  let wait = inspectFirstWaitMs;
  socket.pause();
  const look = (): void => {
    const now = (socket as unknown as { fd: number }).fd;
    const bytes = now < 0 || socket.readyState <= 0 ? new Uint8Array(0) : peekBytes(now);
    let result: Inspection | undefined;
    if (bytes) result = bytes.length === 0 ? { kind: "closed" } : judge(bytes, http);
    if (!result && clock.now() >= deadline) result = { kind: "silent" };
    if (result) {
      if (result.kind !== "closed") socket.resume();
      done(result);
      return;
    }
    wait = Math.min(wait * 2, inspectLongestWaitMs);
    clock.after(wait, look);
  };
  clock.after(wait, look);
}
