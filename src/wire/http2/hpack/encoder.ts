import type { HeaderList } from "../../http/index.ts";
import { defaultHttp2Limits, type Http2Limits } from "../limits.ts";
import type { OutputBuffer } from "../output.ts";
import { EncoderTable } from "./encoder-table.ts";
import { encodeHuffman, huffmanLength } from "./huffman.ts";
import {
  cookieValue,
  policyOf,
  secretValue,
  shortCookieLength,
  uniqueValue,
  volatileValue,
} from "./policy.ts";

/** SETTINGS_HEADER_TABLE_SIZE before the peer says otherwise. */
const initialTableBytes = 4096;
/** First octets of the representations (RFC 7541 section 6) and the bits their integers have in them. */
const indexedField = 0x80;
const indexedLiteral = 0x40;
const sizeUpdate = 0x20;
const neverIndexedLiteral = 0x10;
const plainLiteral = 0x00;
/** Octets that an integer may take: 2^31 - 1 behind a prefix of any size. */
const maxIntegerOctets = 6;
/** Volatile values remembered to see whether they come again. */
const rememberedValues = 8;

/** Encodes header lists (RFC 7541): table where it saves, Huffman where shorter. One a connection and direction. */
export class HpackEncoder {
  private readonly maxTableBytes: number;
  private readonly table = new EncoderTable(initialTableBytes);
  private readonly lately: string[] = new Array<string>(rememberedValues).fill("");
  private latelyAt = 0;
  /** Size that the next block must announce; -1: none. */
  private wantedBytes = -1;
  /** The smallest size wanted since the last block: it must be announced too (RFC 7541 section 4.2). */
  private smallestBytes = -1;

  constructor(limits: Http2Limits = defaultHttp2Limits) {
    this.maxTableBytes = limits.encoderTableBytes;
    this.setMaxTableSize(initialTableBytes);
  }

  /**
   * The peer's SETTINGS_HEADER_TABLE_SIZE; at most `limits.encoderTableBytes` of it is used. To be called when our
   * acknowledgement is written; the next block announces the change.
   */
  setMaxTableSize(bytes: number): void {
    const wanted = Math.min(bytes, this.maxTableBytes);
    if (this.wantedBytes < 0) {
      if (wanted === this.table.maxBytes) return;
      this.smallestBytes = wanted;
    } else this.smallestBytes = Math.min(this.smallestBytes, wanted);
    this.wantedBytes = wanted;
  }

  /**
   * Writes the block of `list` at the end of `out`. Names in lower case; names and values latin1. Secrets
   * (authorization, short cookies, names in `neverIndexed`) go as never-indexed literals; values that do not come
   * again (x-request-id...) stay out of the table, others that may not (:path...) enter when they do.
   */
  encode(list: Readonly<HeaderList>, out: OutputBuffer, neverIndexed?: readonly string[]): void {
    if (this.wantedBytes >= 0) this.announce(out);
    const secrets = neverIndexed === undefined || neverIndexed.length === 0 ? undefined : neverIndexed;
    for (let i = 0; i < list.length; i += 2) {
      const name = list[i]!;
      const value = list[i + 1]!;
      out.reserve(name.length + value.length + 3 * maxIntegerOctets);
      this.field(out, name, value, secrets?.includes(name) === true);
    }
  }

  private field(out: OutputBuffer, name: string, value: string, secret: boolean): void {
    const found = this.table.find(name, value);
    if (found > 0 && !secret) {
      if (found < 0x7f) out.bytes[out.end++] = indexedField | found;
      else integer(out, indexedField, 0x7f, found);
      return;
    }
    const policy = secret ? secretValue : policyOf(name);
    if (policy === secretValue || (policy === cookieValue && value.length < shortCookieLength)) {
      literal(out, neverIndexedLiteral, 0x0f, this.table.findName(name), name);
    } else if (policy === uniqueValue || !this.table.fits(name, value)) {
      literal(out, plainLiteral, 0x0f, -found, name);
    } else if (policy === volatileValue && !this.again(value)) {
      literal(out, plainLiteral, 0x0f, -found, name);
    } else {
      literal(out, indexedLiteral, 0x3f, -found, name);
      this.table.insert(name, value);
    }
    text(out, value);
  }

  /** Whether this value was among the last volatile ones. */
  private again(value: string): boolean {
    const { lately } = this;
    for (let i = 0; i < rememberedValues; i++) if (lately[i] === value) return true;
    lately[this.latelyAt] = value;
    this.latelyAt = (this.latelyAt + 1) % rememberedValues;
    return false;
  }

  private announce(out: OutputBuffer): void {
    out.reserve(2 * maxIntegerOctets);
    if (this.smallestBytes < this.wantedBytes) {
      integer(out, sizeUpdate, 0x1f, this.smallestBytes);
      this.table.resize(this.smallestBytes);
    }
    integer(out, sizeUpdate, 0x1f, this.wantedBytes);
    this.table.resize(this.wantedBytes);
    this.wantedBytes = -1;
    this.smallestBytes = -1;
  }
}

/** `value` in the low bits of `first` that `prefix` covers, and on (RFC 7541 section 5.1). */
function integer(out: OutputBuffer, first: number, prefix: number, value: number): void {
  const { bytes } = out;
  if (value < prefix) {
    bytes[out.end++] = first | value;
    return;
  }
  bytes[out.end++] = first | prefix;
  let rest = value - prefix;
  for (; rest >= 0x80; rest >>>= 7) bytes[out.end++] = 0x80 | (rest & 0x7f);
  bytes[out.end++] = rest;
}

/** Start of a literal: its name, as an index where that is not 0. */
function literal(out: OutputBuffer, first: number, prefix: number, index: number, name: string): void {
  integer(out, first, prefix, index);
  if (index === 0) text(out, name);
}

/** A string, Huffman-coded where that is shorter (RFC 7541 section 5.2). Room was made by the caller. */
function text(out: OutputBuffer, value: string): void {
  const coded = huffmanLength(value);
  if (coded < value.length) {
    integer(out, 0x80, 0x7f, coded);
    out.end = encodeHuffman(value, out.bytes, out.end);
  } else {
    integer(out, 0, 0x7f, value.length);
    out.end += out.bytes.latin1Write(value, out.end);
  }
}
