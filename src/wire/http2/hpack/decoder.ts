import { type HeaderList, latin1 } from "../../http/index.ts";
import { connectionError, errorCodes, type Http2Error } from "../errors.ts";
import { defaultHttp2Limits, type Http2Limits } from "../limits.ts";
import { DecoderTable, fieldOverhead } from "./decoder-table.ts";
import { fieldFault, valueFault } from "./field.ts";
import { decodeHuffman } from "./huffman.ts";
import { staticLength, staticNames, staticSizes, staticValues } from "./static-table.ts";

const make = (reason: string, detail: string): Http2Error =>
  connectionError(errorCodes.compressionError, `hpack_${reason}`, detail);

/** Everything that leaves the table out of step and so ends the connection. */
const errors = {
  truncated: make("truncated", "header block ends inside a field"),
  integer: make("integer", "integer of a header block is too large"),
  huffman: make("huffman", "string of a header block is not in the Huffman code"),
  index: make("index", "index of a header block points at no field"),
  lateUpdate: make("late_update", "table size update behind a field"),
  updateTooLarge: make("update_too_large", "table size update exceeds the announced size"),
  updateMissing: make("update_missing", "table size update missing after its announced size was lowered"),
} as const;

/** Octets of an integer after the first: five carry 2^35, so more are an attack or nonsense. */
const maxIntegerOctets = 5;
const maxInteger = 0x7fffffff;
/** What reading an integer gives when there is none. */
const truncated = -1;
const oversized = -2;
const integerError = (found: number): Http2Error => (found === truncated ? errors.truncated : errors.integer);
/** SETTINGS_HEADER_TABLE_SIZE before any was acknowledged. */
const initialTableBytes = 4096;
/** Static names that are well-formed save this one, which is connection-specific. */
const transferEncodingIndex = staticNames.indexOf("transfer-encoding");
const none: readonly string[] = [];

/**
 * Decodes header blocks (RFC 7541). One a connection and direction; every block of the connection must pass through
 * it in order. After `decode` its properties tell about the block just decoded.
 */
export class HpackDecoder {
  /** The list exceeds `maxHeaderListBytes` or `maxHeaderCount`: it lacks what came after. Answer 431 or reset. */
  tooLarge = false;
  /**
   * "" or why a field makes the message malformed (RFC 9113 section 8.2, stream error PROTOCOL_ERROR): name empty,
   * with upper case or no token; value with NUL, CR, LF, another control character or white space around it;
   * connection-specific field (connection, keep-alive, proxy-connection, transfer-encoding, upgrade); te other than
   * "trailers"; unknown pseudo-header field. Known once for each field of the table, so indexed fields cost nothing.
   * Left to the caller: order, number and combination of pseudo-header fields, content-length, cookie crumbs.
   */
  malformed = "";
  /** Names sent as never indexed (RFC 7541 section 6.2.3): to be passed to the encoder of the next hop. */
  neverIndexed: readonly string[] = none;
  private readonly limits: Http2Limits;
  private readonly table = new DecoderTable(initialTableBytes);
  private announcedBytes: number;
  /** The next block must start with an update to at most this; -1: it need not. */
  private owedBytes = -1;
  private at = 0;
  private end = 0;
  private listBytes = 0;
  private listCount = 0;

  constructor(limits: Http2Limits = defaultHttp2Limits) {
    this.limits = limits;
    this.announcedBytes = Math.max(initialTableBytes, limits.headerTableBytes);
  }

  /**
   * To be told when the peer acknowledged our SETTINGS_HEADER_TABLE_SIZE. When that lowers the table, the next block
   * must start with a size update (RFC 9113 section 4.3.1).
   */
  setMaxTableSize(bytes: number): void {
    this.announcedBytes = bytes;
    if (bytes >= this.table.maxBytes && this.owedBytes < 0) return;
    this.owedBytes = this.owedBytes < 0 ? bytes : Math.min(this.owedBytes, bytes);
  }

  /**
   * Appends the block's fields to `list` as [name, value, ...] in their order, pseudo-header fields (":path") as
   * sent. Gives a connection error (COMPRESSION_ERROR) or null. A list beyond the limits and a malformed field
   * are no connection errors: see `tooLarge` and `malformed`.
   */
  decode(block: Uint8Array, list: HeaderList): Http2Error | null {
    this.tooLarge = false;
    this.malformed = "";
    if (this.neverIndexed !== none) this.neverIndexed = none;
    this.listBytes = 0;
    this.listCount = 0;
    this.at = 0;
    this.end = block.length;
    const error = this.sizeUpdates(block);
    if (error !== null) return error;
    while (this.at < this.end) {
      const first = block[this.at]!;
      let failed: Http2Error | null;
      if (first >= 0x80) failed = this.indexed(block, list, first);
      else if (first >= 0x40) failed = this.literal(block, list, 0x3f, true, false);
      else if (first >= 0x20) failed = errors.lateUpdate;
      else failed = this.literal(block, list, 0x0f, false, first >= 0x10);
      if (failed !== null) return failed;
    }
    return null;
  }

  private sizeUpdates(block: Uint8Array): Http2Error | null {
    while (this.at < this.end && (block[this.at]! & 0xe0) === 0x20) {
      const bytes = this.integer(block, 0x1f);
      if (bytes < 0) return integerError(bytes);
      if (bytes > this.announcedBytes) return errors.updateTooLarge;
      if (bytes <= this.owedBytes) this.owedBytes = -1;
      this.table.resize(bytes);
    }
    return this.owedBytes >= 0 ? errors.updateMissing : null;
  }

  private indexed(block: Uint8Array, list: HeaderList, first: number): Http2Error | null {
    let index = first & 0x7f;
    if (index < 0x7f) this.at++;
    else {
      index = this.integer(block, 0x7f);
      if (index < 0) return integerError(index);
    }
    if (index <= staticLength) {
      if (index === 0) return errors.index;
      const name = staticNames[index]!;
      this.add(list, name, staticValues[index]!, staticSizes[index]!);
      if (index === transferEncodingIndex) this.malformed = fieldFault(name, "");
      return null;
    }
    const { table } = this;
    const entry = index - staticLength - 1;
    if (entry >= table.count) return errors.index;
    const name = table.name(entry);
    const value = table.value(entry);
    const fault = table.fault(entry);
    if (fault !== "") this.malformed = fault;
    this.add(list, name, value, name.length + value.length + fieldOverhead);
    return null;
  }

  private literal(
    block: Uint8Array,
    list: HeaderList,
    prefix: number,
    insert: boolean,
    never: boolean,
  ): Http2Error | null {
    const index = this.integer(block, prefix);
    if (index < 0) return integerError(index);
    let name: string | Http2Error;
    if (index === 0) {
      name = this.string(block);
      if (typeof name !== "string") return name;
    } else if (index <= staticLength) name = staticNames[index]!;
    else {
      const entry = index - staticLength - 1;
      if (entry >= this.table.count) return errors.index;
      name = this.table.name(entry);
    }
    const value = this.string(block);
    if (typeof value !== "string") return value;
    const known = index > 0 && index <= staticLength && index !== transferEncodingIndex;
    const fault = known ? valueFault(value) : fieldFault(name, value);
    if (fault !== "") this.malformed = fault;
    if (insert) this.table.insert(name, value, fault);
    this.add(list, name, value, name.length + value.length + fieldOverhead);
    if (never) this.remember(name);
    return null;
  }

  private add(list: HeaderList, name: string, value: string, size: number): void {
    this.listBytes += size;
    this.listCount++;
    if (this.listBytes > this.limits.maxHeaderListBytes || this.listCount > this.limits.maxHeaderCount) {
      this.tooLarge = true;
    } else list.push(name, value);
  }

  private remember(name: string): void {
    if (this.tooLarge || this.neverIndexed.includes(name)) return;
    this.neverIndexed = [...this.neverIndexed, name];
  }

  /** The integer at `at` (RFC 7541 section 5.1); `truncated` or `oversized` when there is none. */
  private integer(block: Uint8Array, prefix: number): number {
    let value = block[this.at++]! & prefix;
    if (value < prefix) return value;
    let factor = 1;
    for (let i = 0; i < maxIntegerOctets; i++) {
      if (this.at >= this.end) return truncated;
      const octet = block[this.at++]!;
      value += (octet & 0x7f) * factor;
      if (octet < 0x80) return value <= maxInteger ? value : oversized;
      factor *= 128;
    }
    return oversized;
  }

  /** The string at `at` (RFC 7541 section 5.2). */
  private string(block: Uint8Array): string | Http2Error {
    if (this.at >= this.end) return errors.truncated;
    const coded = block[this.at]! >= 0x80;
    const length = this.integer(block, 0x7f);
    if (length < 0) return integerError(length);
    const from = this.at;
    if (length > this.end - from) return errors.truncated;
    this.at = from + length;
    if (!coded) return latin1(block, from, this.at);
    return decodeHuffman(block, from, this.at) ?? errors.huffman;
  }
}
