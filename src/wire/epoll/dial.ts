/** Outgoing connections of the loop. */
import {
  addressFamily,
  c,
  EINPROGRESS,
  encodeAddress,
  errno,
  errorName,
  interest,
  level,
  option,
  streamType,
  words,
} from "../libc/index.ts";
import type { Watcher } from "./loop.ts";
import { EpollStream, noDelay, type StreamSlot, type Streams } from "./stream.ts";

export interface DialOptions {
  /** IPv4 or IPv6. */
  readonly host: string;
  readonly port: number;
  /** Address of this machine to come from; default the system's choice. */
  readonly localAddress?: string | undefined;
  readonly slot: StreamSlot;
  readonly onOpen: (stream: EpollStream) => void;
  /** `ECONNREFUSED` and the like. */
  readonly onRefused: (code: string) => void;
}

const result = words(1);
const size = words(1);

function pendingError(fd: number): number {
  size.view[0] = 4;
  c.getsockopt(fd, level.socket, option.error, result.at, size.at);
  return result.view[0]!;
}

/** A connecting descriptor and the error that it began with, 0 for none. */
function begin({ host, port, localAddress }: DialOptions): { readonly fd: number; readonly code: number } {
  const domain = addressFamily(host);
  const fd = c.socket(domain, streamType, 0);
  if (fd < 0) return { fd, code: errno() };
  noDelay(fd);
  if (localAddress !== undefined) {
    const from = encodeAddress(localAddress, 0);
    if (c.bind(fd, from.at, from.length) !== 0) return { fd, code: errno() };
  }
  const to = encodeAddress(host, port);
  if (c.connect(fd, to.at, to.length) === 0) return { fd, code: 0 };
  const code = errno();
  return { fd, code: code === EINPROGRESS ? 0 : code };
}

/**
 * Connects. Neither callback is called before this returns, and one of them once after; none after a cancel, which
 * this returns.
 */
export function dial(streams: Streams, options: DialOptions): () => void {
  const { loop } = streams;
  const { fd, code } = begin(options);
  let over = false;
  const cancel = (): void => {
    if (over) return;
    over = true;
    if (fd >= 0) loop.close(fd);
  };
  const refuse = (failure: number): void => {
    if (over) return;
    cancel();
    options.onRefused(errorName(failure));
  };
  if (code !== 0) {
    queueMicrotask(() => refuse(code));
    return cancel;
  }
  const watcher: Watcher = {
    onReady() {
      const failure = pendingError(fd);
      if (failure !== 0) return refuse(failure);
      over = true;
      options.onOpen(new EpollStream(streams, fd, options.slot, true));
    },
    onFault: cancel,
  };
  loop.watch(fd, watcher, interest.out);
  return cancel;
}
