/** struct sockaddr_in and sockaddr_in6. */
import { assert } from "../../base/index.ts";
import { formatIp, parseIp } from "../ip/index.ts";
import { c, family, level, octets, option, words } from "./libc.ts";

export interface Place {
  readonly address: string;
  readonly port: number;
}

const most = 28;
const scratch = octets(most);
const size = words(1);

/** AF_INET or AF_INET6 of an IP address. */
export const addressFamily = (host: string): number => (host.includes(":") ? family.inet6 : family.inet);

/** Writes an IP address for the next call. */
export function encodeAddress(host: string, port: number): { readonly at: number; readonly length: number } {
  const ip = parseIp(host);
  assert(ip !== undefined, "an IP address");
  const { view, at } = scratch;
  view.fill(0);
  const v4 = ip.length === 4;
  // The family is in the machine's order: little endian wherever this runs.
  view.writeUInt16LE(v4 ? family.inet : family.inet6, 0);
  view.writeUInt16BE(port, 2);
  view.set(ip, v4 ? 4 : 8);
  return { at, length: v4 ? 16 : most };
}

/** What a call writes; undefined where it fails, or tells of another family. */
function read(call: (address: number, length: number) => number): Place | undefined {
  size.view[0] = most;
  if (call(scratch.at, size.at) !== 0) return undefined;
  const { view } = scratch;
  const domain = view.readUInt16LE(0);
  if (domain !== family.inet && domain !== family.inet6) return undefined;
  const bytes = domain === family.inet ? view.slice(4, 8) : view.slice(8, 24);
  return { address: formatIp(new Uint8Array(bytes)), port: view.readUInt16BE(2) };
}

/** Own end of a connection; undefined where there is none any more. */
export const localPlace = (fd: number): Place | undefined =>
  read((at, length) => c.getsockname(fd, at, length));

export const remotePlace = (fd: number): Place | undefined =>
  read((at, length) => c.getpeername(fd, at, length));

/** SO_ORIGINAL_DST, which IPv4 connections have on dual-stack listeners too. */
export function originalPlace(fd: number): Place | undefined {
  const ask = (of: number) => read((at, length) => c.getsockopt(fd, of, option.originalDst, at, length));
  return ask(level.ip) ?? ask(level.ipv6);
}
