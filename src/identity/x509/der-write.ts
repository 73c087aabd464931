/** Writes DER (X.690). */
import { tag } from "./der.ts";

/** One element: identifier byte, minimal length, content. */
export function der(identifier: number, ...content: readonly Uint8Array[]): Buffer {
  const length = content.reduce((n, part) => n + part.length, 0);
  const head = [identifier];
  if (length < 0x80) head.push(length);
  else if (length < 0x100) head.push(0x81, length);
  else if (length < 0x10000) head.push(0x82, length >> 8, length & 0xff);
  else head.push(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
  return Buffer.concat([Buffer.from(head), ...content]);
}

export const sequence = (...content: readonly Uint8Array[]): Buffer => der(tag.sequence, ...content);
export const set = (...content: readonly Uint8Array[]): Buffer => der(tag.set, ...content);
export const octets = (content: Uint8Array): Buffer => der(tag.octetString, content);
export const utf8 = (value: string): Buffer => der(tag.utf8, Buffer.from(value));
export const bool = (value: boolean): Buffer => der(tag.boolean, Buffer.from([value ? 0xff : 0]));
export const bits = (content: Uint8Array): Buffer => der(tag.bitString, Buffer.from([0]), content);

/** An unsigned integer from big-endian bytes. */
export function unsigned(bytes: Uint8Array): Buffer {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const body = bytes.subarray(at);
  return der(tag.integer, Buffer.from(body[0]! >= 0x80 ? [0] : []), body);
}

export const small = (value: number): Buffer =>
  unsigned(Buffer.from([value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]));

/** From its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const out: number[] = [];
  for (const part of [first * 40 + second, ...rest]) {
    const groups = [part % 128];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left % 128) | 0x80);
    out.push(...groups);
  }
  return der(tag.oid, Buffer.from(out));
}

/** Named bits, bit 0 first; trailing zero bits are left out, as DER wants. */
export function namedBits(value: number): Buffer {
  if (value === 0) return der(tag.bitString, Buffer.from([0]));
  const highest = 31 - Math.clz32(value);
  const bytes = new Uint8Array((highest >> 3) + 1);
  for (let i = 0; i <= highest; i++) if (value & (1 << i)) bytes[i >> 3]! |= 0x80 >> (i & 7);
  return der(tag.bitString, Buffer.from([7 - (highest & 7)]), bytes);
}

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5); whole seconds. */
export function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  const utc = new Date(ms).getUTCFullYear() < 2050;
  return der(utc ? tag.utcTime : tag.generalizedTime, Buffer.from(utc ? text.slice(2) : text));
}
