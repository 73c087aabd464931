/** Where a connection was meant to go before a redirect rule of the kernel's brought it here. */
import { libc, originalPlace, type Place } from "../libc/index.ts";

export type Destination = Place;

/** Whether this system can say it at all (Linux). */
export function canRestore(): boolean {
  return libc !== null;
}

/** SO_ORIGINAL_DST of an accepted connection, IPv4 (also on a dual-stack listener) or IPv6; undefined: not redirected. */
export function originalDestination(fd: number): Destination | undefined {
  return libc === null ? undefined : originalPlace(fd);
}
