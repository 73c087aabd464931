/** IP addresses between text and bytes. */
import { isIP } from "node:net";

/** 4 or 16 bytes; undefined for what is no address. A zone (`%eth0`) is none. */
export function parseIp(text: string): Uint8Array | undefined {
  const kind = isIP(text);
  if (kind === 4) return Uint8Array.from(text.split("."), Number);
  if (kind === 6 && !text.includes("%")) return parseV6(text);
  return undefined;
}

function parseV6(text: string): Uint8Array {
  const [head = "", tail] = text.split("::");
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const gap = new Array<number>(tail === undefined ? 0 : 8 - left.length - right.length).fill(0);
  return Uint8Array.from([...left, ...gap, ...right].flatMap((g) => [g >> 8, g & 255]));
}

/** 16-bit groups; a dotted end counts for two. */
function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** Of 4 or 16 bytes, IPv6 as RFC 5952 writes it; an IPv4 address mapped into IPv6 comes out as IPv4. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const parts = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let at = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && parts[i + n] === 0) n++;
    if (n > length) [at, length] = [i, n];
  }
  const text = (list: readonly number[]): string => list.map((p) => p.toString(16)).join(":");
  return at < 0 ? text(parts) : `${text(parts.slice(0, at))}::${text(parts.slice(at + length))}`;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 255 && bytes[11] === 255 && bytes.subarray(0, 10).every((b) => b === 0);
}

/** `::ffff:10.0.0.1` as `10.0.0.1`; everything else as it is. */
export function unmapped(text: string): string {
  return text.startsWith("::ffff:") && text.includes(".") ? text.slice(7) : text;
}

export interface Cidr {
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

/** `10.0.0.0/8`, or one address; undefined for what is neither, or has bits below the prefix's end. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = "", length, more] = text.split("/");
  const bytes = parseIp(address);
  if (bytes === undefined || more !== undefined) return undefined;
  const all = bytes.length * 8;
  const prefix = length === undefined ? all : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (prefix < 0 || prefix > all) return undefined;
  for (let bit = prefix; bit < all; bit++) if ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1) return undefined;
  return { bytes, prefix };
}
