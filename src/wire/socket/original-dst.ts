/** Where a connection was meant to go before a redirect rule of the kernel's brought it here. */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { formatIp } from "../ip/index.ts";

export interface Destination {
  readonly address: string;
  readonly port: number;
}

/** include/uapi/linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h: both are 80. */
const originalDst = 80;
const levelIp = 0;
const levelIpv6 = 41;
const sockaddrBytes = 28;

interface Libc {
  getsockopt(fd: number, level: number, name: number, value: number, length: number): number;
}

let libc: Libc | null | undefined;
/** TRAP: the pointer of a small array goes stale when the array moves; over its own ArrayBuffer it does not. */
let address: Uint8Array<ArrayBuffer>;
let length: Int32Array<ArrayBuffer>;
let pointers: { readonly address: number; readonly length: number };

function load(): Libc | null {
  if (libc !== undefined) return libc;
  address = new Uint8Array(new ArrayBuffer(sockaddrBytes));
  length = new Int32Array(new ArrayBuffer(4));
  pointers = { address: Number(ptr(address)), length: Number(ptr(length)) };
  try {
    const { i32, u64 } = FFIType;
    const { symbols } = dlopen("libc.so.6", {
      getsockopt: { args: [i32, i32, i32, u64, u64], returns: i32 },
    });
    libc = symbols as unknown as Libc;
  } catch {
    libc = null;
  }
  return libc;
}

/** Whether this system can say it at all (Linux). */
export function canRestore(): boolean {
  return load() !== null;
}

/** SO_ORIGINAL_DST of an accepted connection, IPv4 (also on a dual-stack listener) or IPv6; undefined: not redirected. */
export function originalDestination(fd: number): Destination | undefined {
  const c = load();
  if (c === null) return undefined;
  for (const level of [levelIp, levelIpv6]) {
    length[0] = sockaddrBytes;
    if (c.getsockopt(fd, level, originalDst, pointers.address, pointers.length) !== 0) continue;
    const port = (address[2]! << 8) | address[3]!;
    const bytes = level === levelIp ? address.slice(4, 8) : address.slice(8, 24);
    return { address: formatIp(bytes), port };
  }
  return undefined;
}
