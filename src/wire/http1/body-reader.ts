import { type HeaderList, hexValue, isForbiddenTrailer, latin1, lowerToken } from "../http/index.ts";
import { errors } from "./errors.ts";
import { headFields } from "./head-fields.ts";
import { HeadReader } from "./head-reader.ts";
import type { Http1Limits } from "./limits.ts";
import type { Http1Error } from "./types.ts";

/** What stands between two chunks, byte by byte. */
const sizeFirst = 0;
const size = 1;
const extensionName = 2;
const extensionNameMore = 3;
const extensionValue = 4;
const extensionToken = 5;
const extensionQuoted = 6;
const extensionEscape = 7;
const extensionQuotedEnd = 8;
const sizeLf = 9;
const data = 10;
const dataCr = 11;
const dataLf = 12;
const trailers = 13;

const ended = 0;
const fixed = 1;
const chunks = 2;
const untilClose = 3;

const cr = 13;
const semicolon = 59;
const equals = 61;
const quote = 34;
const backslash = 92;
const maxSizeDigits = 16;

const forbidden = (name: string): boolean => isForbiddenTrailer(name) || name.includes("_");

interface BodyHandler {
  onData(chunk: Uint8Array): void;
  onTrailers(trailers: HeaderList): void;
}

/** Reads the body of one message after the other: of a known length, in chunks, or until the peer closes. */
export class BodyReader {
  error: Http1Error | null = null;
  private mode = ended;
  private state = sizeFirst;
  private left = 0;
  private digits = 0;
  private lineBytes = 0;
  private extensionBytes = 0;
  private trailerReader: HeadReader | null = null;

  private readonly handler: BodyHandler;
  private readonly limits: Http1Limits;

  constructor(handler: BodyHandler, limits: Http1Limits) {
    this.handler = handler;
    this.limits = limits;
  }

  get done(): boolean {
    return this.mode === ended;
  }

  /** Ended by the peer's close and by nothing else. */
  get closeDelimited(): boolean {
    return this.mode === untilClose;
  }

  beginLength(length: number): void {
    this.left = length;
    this.mode = length === 0 ? ended : fixed;
  }

  beginChunked(): void {
    this.mode = chunks;
    this.extensionBytes = 0;
    this.nextChunk();
  }

  beginUntilClose(): void {
    this.mode = untilClose;
  }

  end(): void {
    this.mode = ended;
  }

  /** Takes what belongs to the body from [from, end): the position behind it, -2 for a failure. */
  read(bytes: Uint8Array, from: number, end: number): number {
    if (this.mode === fixed) {
      const p = this.take(bytes, from, end);
      if (this.left === 0) this.mode = ended;
      return p;
    }
    if (this.mode === untilClose) {
      this.handler.onData(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end));
      return end;
    }
    let p = from;
    while (p < end && this.mode === chunks && p !== -2) {
      if (this.state === data) {
        p = this.take(bytes, p, end);
        if (this.left === 0) this.state = dataCr;
      } else if (this.state === trailers) p = this.readTrailers(bytes, p, end);
      else p = this.between(bytes[p]!) ? p + 1 : -2;
    }
    return p;
  }

  private take(bytes: Uint8Array, from: number, end: number): number {
    const stop = end - from > this.left ? from + this.left : end;
    this.left -= stop - from;
    this.handler.onData(from === 0 && stop === bytes.length ? bytes : bytes.subarray(from, stop));
    return stop;
  }

  private nextChunk(): void {
    this.state = sizeFirst;
    this.left = 0;
    this.digits = 0;
    this.lineBytes = 0;
  }

  private fail(error: Http1Error): false {
    this.error = error;
    return false;
  }

  /** One byte outside of chunk data. */
  private between(c: number): boolean {
    if (this.state === dataCr) {
      if (c !== cr) return this.fail(errors.chunkEnd);
      this.state = dataLf;
      return true;
    }
    if (this.state === dataLf) {
      if (c !== 10) return this.fail(errors.chunkEnd);
      this.nextChunk();
      return true;
    }
    if (this.state === sizeLf) {
      if (c !== 10) return this.fail(errors.bareCr);
      this.state = this.left === 0 ? trailers : data;
      return true;
    }
    if (c !== cr && ++this.lineBytes > this.limits.maxChunkLineBytes) {
      return this.fail(errors.chunkLineTooLong);
    }
    return this.state <= size ? this.sizeByte(c) : this.extensionByte(c);
  }

  private sizeByte(c: number): boolean {
    const digit = hexValue[c]!;
    if (digit !== 255) {
      this.left = this.left * 16 + digit;
      this.state = size;
      if (++this.digits > maxSizeDigits || this.left > Number.MAX_SAFE_INTEGER) {
        return this.fail(errors.chunkSize);
      }
      return true;
    }
    if (this.state === sizeFirst) return this.fail(errors.chunkSize);
    if (c === cr) this.state = sizeLf;
    else if (c === semicolon) return this.beginExtension();
    else return this.fail(errors.chunkSize);
    return true;
  }

  private beginExtension(): boolean {
    this.state = extensionName;
    return this.countExtension();
  }

  private countExtension(): boolean {
    if (++this.extensionBytes <= this.limits.maxChunkExtensionBytes) return true;
    return this.fail(errors.chunkExtensionsTooLong);
  }

  private extensionByte(c: number): boolean {
    if (c !== cr && !this.countExtension()) return false;
    const next = extensionStep(this.state, c);
    if (next === -1) return this.fail(errors.chunkExtension);
    this.state = next;
    return true;
  }

  private readTrailers(bytes: Uint8Array, from: number, end: number): number {
    this.trailerReader ??= new HeadReader("trailers", this.limits);
    const reader = this.trailerReader;
    const p = reader.read(bytes, from, end);
    if (p === -2) this.error = reader.error;
    if (p < 0) return p === -1 ? end : p;
    this.mode = ended;
    if (reader.scanner.fields > 0) {
      const all = headFields.collect(reader, latin1(reader.source, reader.start, reader.end));
      const list: HeaderList = [];
      for (let i = 0; i < all.length; i += 2) if (!forbidden(all[i]!)) list.push(all[i]!, all[i + 1]!);
      if (list.length > 0) this.handler.onTrailers(list);
    }
    reader.reset();
    return p;
  }
}

/** chunk-ext = ";" token [ "=" ( token / quoted-string ) ], without white space; -1 where it is not. */
function extensionStep(state: number, c: number): number {
  const token = lowerToken[c]! !== 0;
  switch (state) {
    case extensionName:
      return token ? extensionNameMore : -1;
    case extensionNameMore:
      if (token) return state;
      return c === equals ? extensionValue : extensionEnd(c);
    case extensionValue:
      if (c === quote) return extensionQuoted;
      return token ? extensionToken : -1;
    case extensionToken:
      return token ? state : extensionEnd(c);
    case extensionQuoted:
      if (c === quote) return extensionQuotedEnd;
      if (c === backslash) return extensionEscape;
      return c === 9 || (c >= 32 && c !== 127) ? state : -1;
    case extensionEscape:
      return c === 9 || (c >= 32 && c !== 127) ? extensionQuoted : -1;
    default:
      return extensionEnd(c);
  }
}

function extensionEnd(c: number): number {
  if (c === semicolon) return extensionName;
  return c === cr ? sizeLf : -1;
}
