/** The C library's sockets and epoll. Linux with glibc; elsewhere `libc` is null and the runtime's sockets serve. */
import { dlopen, FFIType, ptr, toArrayBuffer } from "bun:ffi";
import { constants } from "node:os";

interface Libc {
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: number): number;
  epoll_wait(epoll: number, events: number, most: number, timeoutMs: number): number;
  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, pair: number): number;
  listen(fd: number, backlog: number): number;
  bind(fd: number, address: number, length: number): number;
  connect(fd: number, address: number, length: number): number;
  accept4(fd: number, address: number, length: number, flags: number): number;
  recv(fd: number, buffer: number, length: number, flags: number): number;
  send(fd: number, buffer: number, length: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  dup(fd: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: number, length: number): number;
  getsockname(fd: number, address: number, length: number): number;
  getpeername(fd: number, address: number, length: number): number;
  __errno_location(): number;
}

/**
 * Memory that C reads and writes. TRAP: the pointer of a small array goes stale when the array moves; over its own
 * ArrayBuffer it does not, as long as something refers to it.
 */
export interface Block<T extends Uint8Array | Int32Array> {
  readonly view: T;
  readonly at: number;
}

export function words(count: number): Block<Int32Array> {
  const view = new Int32Array(new ArrayBuffer(count * 4));
  return { view, at: Number(ptr(view)) };
}

export function octets(count: number): Block<Buffer> {
  const view = Buffer.from(new ArrayBuffer(count));
  return { view, at: Number(ptr(view)) };
}

/** Where the bytes lie at this moment: for one call, at once. */
export const addressOf = (bytes: Uint8Array): number => Number(ptr(bytes));

function load(): Libc | null {
  if (process.platform !== "linux") return null;
  const { i32, u32, u64 } = FFIType;
  try {
    const { symbols } = dlopen("libc.so.6", {
      epoll_create1: { args: [i32], returns: i32 },
      epoll_ctl: { args: [i32, i32, i32, u64], returns: i32 },
      epoll_wait: { args: [i32, u64, i32, i32], returns: i32 },
      socket: { args: [i32, i32, i32], returns: i32 },
      socketpair: { args: [i32, i32, i32, u64], returns: i32 },
      listen: { args: [i32, i32], returns: i32 },
      bind: { args: [i32, u64, u32], returns: i32 },
      connect: { args: [i32, u64, u32], returns: i32 },
      accept4: { args: [i32, u64, u64, i32], returns: i32 },
      // No length here reaches 2^31: what is read and written at once is far smaller.
      recv: { args: [i32, u64, u32, i32], returns: i32 },
      send: { args: [i32, u64, u32, i32], returns: i32 },
      shutdown: { args: [i32, i32], returns: i32 },
      close: { args: [i32], returns: i32 },
      dup: { args: [i32], returns: i32 },
      setsockopt: { args: [i32, i32, i32, u64, u32], returns: i32 },
      getsockopt: { args: [i32, i32, i32, u64, u64], returns: i32 },
      getsockname: { args: [i32, u64, u64], returns: i32 },
      getpeername: { args: [i32, u64, u64], returns: i32 },
      __errno_location: { args: [], returns: FFIType.ptr },
    });
    return symbols as unknown as Libc;
  } catch {
    return null;
  }
}

export const libc = load();
/** For code that runs only where `libc` is there. */
export const c = libc as Libc;

const failed = libc && new Int32Array(toArrayBuffer(libc.__errno_location() as never, 0, 4));

/** Of the call just before, on this thread. */
export const errno = (): number => failed![0]!;

const names = new Map(Object.entries(constants.errno).map(([name, code]) => [code, name]));

/** `ECONNREFUSED` of 111. */
export const errorName = (code: number): string => names.get(code) ?? `errno ${code}`;

/** Whether the call just before, which failed, is to be made again later, or at once after a signal. */
export function again(): boolean {
  const code = errno();
  return code === constants.errno.EAGAIN || code === constants.errno.EINTR;
}

export const { EINPROGRESS } = constants.errno;

export const family = { inet: 2, inet6: 10, unix: 1 } as const;
/** SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC. */
export const streamType = 1 | 0o4000 | 0o2000000;
/** SOCK_NONBLOCK | SOCK_CLOEXEC, as accept4 takes them. */
export const acceptFlags = 0o4000 | 0o2000000;
export const level = { ip: 0, socket: 1, tcp: 6, ipv6: 41 } as const;
/** `originalDst`: include/uapi/linux/netfilter_ipv4.h and netfilter_ipv6/ip6_tables.h have the same number. */
export const option = { error: 4, linger: 13, noDelay: 1, deferAccept: 9, originalDst: 80 } as const;
export const noSignal = 0x4000;
/** MSG_PEEK | MSG_DONTWAIT. */
export const peekFlags = 0x2 | 0x40;
/** MSG_TRUNC of a TCP socket: bytes are dropped without a copy. */
export const dropBytes = 0x20;
export const shutWrite = 1;

export const interest = { in: 1, out: 4, error: 8, hangUp: 16 } as const;
export const control = { add: 1, remove: 2, change: 3 } as const;
/** struct epoll_event is packed on x86-64 only: 32-bit words an event, and where `data` begins. */
export const eventWords = process.arch === "x64" ? 3 : 4;
export const eventData = process.arch === "x64" ? 1 : 2;
