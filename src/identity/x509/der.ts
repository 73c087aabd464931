/** Reads DER (X.690): strict, bounded, without copying. What is not minimal or leaves its bounds is an error. */

/** A peer's bytes are no valid DER, certificate or request. */
export class DerError extends Error {
  override name = "DerError";
}

/** Longest structure read. A certificate of a mesh has about 500 bytes. */
export const maxDerBytes = 64 * 1024;
/** Most elements of one list (SANs, extensions, name parts). */
export const maxDerElements = 1000;

export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its identifier byte, its content, and all of it with header. Views of the input. */
export interface DerNode {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

/** The identifier byte of a context-specific element, [n] constructed or primitive. */
export const context = (n: number, constructed: boolean): number => 0x80 | (constructed ? 0x20 : 0) | n;

interface Header {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

function header(bytes: Uint8Array, at: number): Header {
  if (bytes.length - at < 2) throw new DerError("element ends early");
  const identifier = bytes[at]!;
  if ((identifier & 0x1f) === 0x1f) throw new DerError("tag numbers above 30 are not used");
  const first = bytes[at + 1]!;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0) throw new DerError("indefinite length");
    if (count > 3) throw new DerError("length too large");
    if (bytes.length - start < count) throw new DerError("length ends early");
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + bytes[start + i]!;
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError("length is not minimal");
    start += count;
  }
  if (length > bytes.length - start) throw new DerError("element leaves its bounds");
  return { tag: identifier, start, end: start + length };
}

function node(bytes: Uint8Array, at: number): DerNode & { readonly end: number } {
  const h = header(bytes, at);
  return {
    tag: h.tag,
    content: bytes.subarray(h.start, h.end),
    whole: bytes.subarray(at, h.end),
    end: h.end,
  };
}

/** The one element that the bytes are; anything behind it is an error. */
export function readDer(bytes: Uint8Array, expected?: number): DerNode {
  if (bytes.length > maxDerBytes) throw new DerError("longer than 64 KiB");
  const found = node(bytes, 0);
  if (found.end !== bytes.length) throw new DerError("bytes after the end");
  if (expected !== undefined) expect(found, expected);
  return found;
}

/** The elements of a constructed one. */
export function children(parent: DerNode): DerNode[] {
  if ((parent.tag & 0x20) === 0) throw new DerError("a list was expected");
  const list: DerNode[] = [];
  for (let at = 0; at < parent.content.length; ) {
    if (list.length >= maxDerElements) throw new DerError("too many elements");
    const child = node(parent.content, at);
    list.push(child);
    at = child.end;
  }
  return list;
}

/** The element with that identifier byte, or an error that says so. */
export function expect(found: DerNode | undefined, identifier: number): DerNode {
  if (!found) throw new DerError("an element is missing");
  if (found.tag !== identifier)
    throw new DerError(`tag 0x${found.tag.toString(16)} where 0x${identifier.toString(16)} was expected`);
  return found;
}

/** Dotted form of an object identifier. */
export function readOid(found: DerNode | undefined): string {
  const { content } = expect(found, tag.oid);
  if (content.length === 0 || content.length > 64) throw new DerError("bad object identifier");
  const parts: number[] = [];
  let value = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) throw new DerError("object identifier is not minimal");
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) throw new DerError("object identifier too large");
    fresh = (byte & 0x80) === 0;
    if (!fresh) continue;
    if (parts.length === 0) {
      const top = Math.min(2, Math.floor(value / 40));
      parts.push(top, value - top * 40);
    } else parts.push(value);
    value = 0;
  }
  if (!fresh) throw new DerError("object identifier ends early");
  return parts.join(".");
}

export function readBoolean(found: DerNode): boolean {
  const { content } = expect(found, tag.boolean);
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError("bad boolean");
  return content[0] === 0xff;
}

/** Content of an INTEGER after the check that it is minimal. */
export function readInteger(found: DerNode | undefined): Uint8Array {
  const { content } = expect(found, tag.integer);
  if (content.length === 0) throw new DerError("empty integer");
  const redundant =
    content.length > 1 &&
    ((content[0] === 0 && content[1]! < 0x80) || (content[0] === 0xff && content[1]! >= 0x80));
  if (redundant) throw new DerError("integer is not minimal");
  return content;
}

/** An INTEGER from 0 to 2^31-1. */
export function readSmallInteger(found: DerNode | undefined): number {
  const content = readInteger(found);
  if (content[0]! >= 0x80 || content.length > 4) throw new DerError("integer out of range");
  return content.reduce((n, byte) => n * 256 + byte, 0);
}

/** Bits of a BIT STRING in whole bytes (keys, signatures). */
export function readBitString(found: DerNode | undefined): Uint8Array {
  const { content } = expect(found, tag.bitString);
  if (content.length === 0 || content[0] !== 0) throw new DerError("bad bit string");
  return content.subarray(1);
}

/** Named bits of a BIT STRING: bit 0 is the highest of the first byte; at most 16 of them. */
export function readNamedBits(found: DerNode): number {
  const { content } = expect(found, tag.bitString);
  const unused = content[0];
  if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0))
    throw new DerError("bad bit string");
  if (content.length > 3) throw new DerError("bit string too long");
  const last = content[content.length - 1]!;
  if (content.length > 1 && (last & ((1 << unused) - 1)) !== 0) throw new DerError("unused bits are set");
  let bits = 0;
  for (let i = 0; i < (content.length - 1) * 8; i++)
    if (content[1 + (i >> 3)]! & (0x80 >> (i & 7))) bits |= 1 << i;
  return bits;
}

const timePattern = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/** UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 allows; milliseconds since the epoch. */
export function readTime(found: DerNode | undefined): number {
  if (found?.tag !== tag.utcTime && found?.tag !== tag.generalizedTime)
    throw new DerError("a time was expected");
  const m = timePattern.exec(Buffer.from(found.content).toString("latin1"));
  const digits = found.tag === tag.utcTime ? 2 : 4;
  if (!m || m[1]!.length !== digits) throw new DerError("bad time");
  const short = Number(m[1]);
  const year = digits === 4 ? short : short + (short >= 50 ? 1900 : 2000);
  const [month, day, hour, minute, second] = m.slice(2).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(ms);
  const same = back.getUTCMonth() === month - 1 && back.getUTCDate() === day && back.getUTCHours() === hour;
  if (year < 1950 || !same || minute > 59 || second > 59) throw new DerError("bad time");
  return ms;
}
