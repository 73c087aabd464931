import { fieldValueChar, lowerToken, targetChar } from "../http/index.ts";
import { errors } from "./errors.ts";
import type { Http1Limits } from "./limits.ts";
import { nameHash } from "./names.ts";
import type { Http1Error } from "./types.ts";

/** Where the scanner stands; the bytes before are known to be right. */
const leading = 0;
const leadingLf = 1;
const method = 2;
const target = 3;
const version = 4;
const statusVersion = 5;
const statusCode = 6;
const reasonStart = 7;
const reason = 8;
const startLineLf = 9;
const fieldStart = 10;
const fieldName = 11;
const valueStart = 12;
const value = 13;
const valueLf = 14;
const blockLf = 15;

export type ScanStart = "request" | "response" | "trailers";
const firstState = { request: leading, response: statusVersion, trailers: fieldStart } as const;

/** A field in `marks`: start and end of its name, start and end of its value, hash of its name. */
export const marksPerField = 5;
/**
 * Where the fields are, relative to the head's start, as the scanner that finished last found them. Shared,
 * since a head is read the moment its scan ends: 8,000 idle connections need no 8,000 arrays.
 */
export let marks: Int32Array = new Int32Array(128 * marksPerField);

const versionBytes = [72, 84, 84, 80, 47];
const cr = 13;
const lf = 10;
const space = 32;
const tab = 9;
const colon = 58;

/**
 * Finds the end of a head and checks its bytes, resumable at every byte: the verdict comes at the first
 * wrong byte, however the stream was cut. `scan` wants all bytes of the head so far at one place.
 */
export class HeadScanner {
  /** Why the scan failed. */
  error: Http1Error | null = null;
  /** Positions below are relative to the head's start. */
  lineStart = 0;
  methodEnd = 0;
  targetEnd = 0;
  reasonStart = 0;
  reasonEnd = 0;
  versionMinor = 1;
  status = 0;
  fields = 0;
  private state = 0;
  private at = 0;
  private versionMajor = 0;
  private leadingLines = 0;
  private blockStart = 0;
  private blockSize = 0;
  private nameStart = 0;
  private nameEnd = 0;
  private valueStart = 0;
  private hash = 0;
  private readonly first: number;

  private readonly limits: Http1Limits;

  constructor(start: ScanStart, limits: Http1Limits) {
    this.limits = limits;
    this.first = firstState[start];
    this.state = this.first;
    const wanted = limits.maxHeaderCount * marksPerField;
    if (marks.length < wanted) marks = new Int32Array(wanted);
  }

  /** Whether a message has begun: empty lines before a request are none. */
  get started(): boolean {
    return this.at > 0 && this.state > leadingLf;
  }

  reset(): void {
    this.state = this.first;
    this.at = 0;
    this.fields = 0;
    this.blockSize = 0;
    this.blockStart = 0;
    this.lineStart = 0;
    this.leadingLines = 0;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
  }

  /**
   * Goes on over `bytes`, whose head starts at `start`, up to `end`. Gives the position behind the head's
   * last byte, -1 for "more is needed", -2 for a failure (see `error`).
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    if (this.state < fieldStart) {
      const line = this.scanStartLine(bytes, start, end);
      if (line < 0) return line;
    }
    return this.scanFields(bytes, start, end);
  }

  private fail(error: Http1Error): -2 {
    this.error = error;
    return -2;
  }

  private scanStartLine(bytes: Uint8Array, start: number, end: number): number {
    let p = start + this.at;
    while (p < end && this.state < fieldStart) {
      const before = this.state;
      const limit = start + this.lineStart + this.limits.maxStartLineBytes;
      if (p >= limit && before >= method && before < startLineLf && bytes[p] !== cr && bytes[p] !== lf) {
        return this.fail(errors.startLineTooLong);
      }
      const stop = before >= method && end > limit ? Math.max(limit, p + 1) : end;
      p =
        before < statusVersion
          ? this.requestLine(bytes, start, p, stop)
          : this.statusLine(bytes, start, p, stop);
      if (p < 0) return p;
    }
    this.at = p - start;
    return this.state < fieldStart ? -1 : p;
  }

  /** One state's worth of a request line. */
  private requestLine(bytes: Uint8Array, start: number, from: number, end: number): number {
    let p = from;
    const c = bytes[p]!;
    switch (this.state) {
      case leading:
        if (c === cr) {
          if (this.leadingLines++ >= this.limits.maxLeadingEmptyLines) return this.fail(errors.leadingLines);
          this.state = leadingLf;
          return p + 1;
        }
        if (c === lf) return this.fail(errors.bareLf);
        this.lineStart = p - start;
        this.state = method;
        return p;
      case leadingLf:
        if (c !== lf) return this.fail(errors.bareCr);
        this.state = leading;
        return p + 1;
      case method:
        while (p < end && lowerToken[bytes[p]!] !== 0) p++;
        if (p === end) return p;
        if (bytes[p] !== space || p - start === this.lineStart) return this.fail(errors.method);
        // HTTP/2's preface, on a port that speaks HTTP/1 only.
        if (
          p - start - this.lineStart === 3 &&
          bytes[p - 3] === 80 &&
          bytes[p - 2] === 82 &&
          bytes[p - 1] === 73
        ) {
          return this.fail(errors.preface);
        }
        this.methodEnd = p - start;
        this.state = target;
        return p + 1;
      case target:
        while (p < end && targetChar[bytes[p]!] === 1) p++;
        if (p === end) return p;
        if (bytes[p] !== space) return this.fail(errors.target);
        if (p - start === this.methodEnd + 1) return this.fail(errors.requestLine);
        this.targetEnd = p - start;
        this.state = version;
        return p + 1;
      default: {
        const index = p - start - this.targetEnd - 1;
        if (index === 0 && end - p >= 9 && bytes[p + 8] === cr && this.plainVersion(bytes, p)) {
          this.state = startLineLf;
          return p + 9;
        }
        return this.versionAt(bytes, p, index, false);
      }
    }
  }

  /** Whether HTTP/1.0 or HTTP/1.1 stands at `p`: the usual case at one look. */
  private plainVersion(bytes: Uint8Array, p: number): boolean {
    for (let i = 0; i < 5; i++) if (bytes[p + i] !== versionBytes[i]) return false;
    const minor = bytes[p + 7]! - 48;
    if (bytes[p + 5] !== 49 || bytes[p + 6] !== 46 || minor < 0 || minor > 1) return false;
    this.versionMinor = minor;
    return true;
  }

  /** Byte `index` of `HTTP/d.d` and what follows it. */
  private versionAt(bytes: Uint8Array, p: number, index: number, ofStatus: boolean): number {
    const c = bytes[p]!;
    if (index < 5) return c === versionBytes[index] ? p + 1 : this.fail(errors.version);
    const digit = c >= 48 && c <= 57;
    if (index === 5) {
      this.versionMajor = c - 48;
      return digit ? p + 1 : this.fail(errors.version);
    }
    if (index === 6) return c === 46 ? p + 1 : this.fail(errors.version);
    if (index === 7) {
      this.versionMinor = c - 48;
      return digit ? p + 1 : this.fail(errors.version);
    }
    if (c === lf) return this.fail(errors.bareLf);
    if (c !== (ofStatus ? space : cr)) return this.fail(errors.version);
    if (this.versionMajor === 0) return this.fail(errors.version);
    if (this.versionMajor !== 1 || this.versionMinor > 1) return this.fail(errors.versionUnsupported);
    this.state = ofStatus ? statusCode : startLineLf;
    return p + 1;
  }

  /** One state's worth of a status line, or the LF that ends either line. */
  private statusLine(bytes: Uint8Array, start: number, from: number, end: number): number {
    let p = from;
    const c = bytes[p]!;
    switch (this.state) {
      case statusVersion:
        if (p === start && end - p >= 9 && bytes[p + 8] === space && this.plainVersion(bytes, p)) {
          this.state = statusCode;
          return p + 9;
        }
        return this.versionAt(bytes, p, p - start, true);
      case statusCode: {
        if (c < 48 || c > 57) return this.fail(errors.statusLine);
        this.status = this.status * 10 + c - 48;
        if (p - start === 11) this.state = reasonStart;
        return p + 1;
      }
      case reasonStart:
        if (this.status < 100 || this.status > 599) return this.fail(errors.statusLine);
        this.reasonStart = p - start + 1;
        this.reasonEnd = this.reasonStart;
        if (c === cr) {
          this.state = startLineLf;
          return p + 1;
        }
        if (c === lf) return this.fail(errors.bareLf);
        if (c !== space) return this.fail(errors.statusLine);
        this.state = reason;
        return p + 1;
      case reason:
        while (p < end && fieldValueChar[bytes[p]!] === 1) p++;
        if (p === end) return p;
        if (bytes[p] === lf) return this.fail(errors.bareLf);
        if (bytes[p] !== cr) return this.fail(errors.statusLine);
        this.reasonEnd = p - start;
        this.state = startLineLf;
        return p + 1;
      default:
        if (c !== lf) return this.fail(errors.bareCr);
        this.state = fieldStart;
        this.blockStart = p + 1 - start;
        return p + 1;
    }
  }

  private scanFields(bytes: Uint8Array, start: number, to: number): number {
    let p = start + this.at;
    let state = this.state;
    const limit = start + this.blockStart + this.limits.maxHeaderBytes;
    const end = Math.min(to, limit);
    while (p < end) {
      if (state === fieldStart) {
        const c = bytes[p]!;
        if (c === cr) {
          state = blockLf;
          p++;
          continue;
        }
        if (c === space || c === tab) return this.fail(errors.obsFold);
        if (c === lf) return this.fail(errors.bareLf);
        this.nameStart = p - start;
        this.hash = 0;
        state = fieldName;
      }
      if (state === fieldName) {
        let hash = this.hash;
        while (p < end) {
          const lower = lowerToken[bytes[p]!]!;
          if (lower === 0) break;
          hash = nameHash(hash, lower);
          p++;
        }
        this.hash = hash;
        if (p === end) break;
        this.nameEnd = p - start;
        if (bytes[p] !== colon || this.nameEnd === this.nameStart) return this.fail(errors.fieldName);
        state = valueStart;
        p++;
      }
      if (state === valueStart) {
        while (p < end && (bytes[p] === space || bytes[p] === tab)) p++;
        if (p === end) break;
        this.valueStart = p - start;
        state = value;
      }
      if (state === value) {
        while (p < end && fieldValueChar[bytes[p]!] === 1) p++;
        if (p === end) break;
        if (bytes[p] !== cr) return this.fail(bytes[p] === lf ? errors.bareLf : errors.fieldValue);
        state = valueLf;
        p++;
        if (p === end) break;
      }
      if (bytes[p] !== lf) return this.fail(errors.bareCr);
      p++;
      if (state === blockLf) return p;
      if (!this.addField(bytes, start, p - 2)) return -2;
      state = fieldStart;
    }
    this.state = state;
    this.at = p - start;
    return to > limit ? this.fail(errors.headersTooLarge) : -1;
  }

  /** Notes a field whose value ends (with white space) before `p`; false when that passes a limit. */
  private addField(bytes: Uint8Array, start: number, p: number): boolean {
    const first = start + this.valueStart;
    let last = p;
    while (last > first && (bytes[last - 1] === space || bytes[last - 1] === tab)) last--;
    this.blockSize += this.nameEnd - this.nameStart + last - first + 32;
    if (this.fields >= this.limits.maxHeaderCount || this.blockSize > this.limits.maxHeaderBytes) {
      const many = this.fields >= this.limits.maxHeaderCount;
      this.error = many ? errors.tooManyHeaders : errors.headersTooLarge;
      return false;
    }
    const m = this.fields++ * marksPerField;
    marks[m] = this.nameStart;
    marks[m + 1] = this.nameEnd;
    marks[m + 2] = this.valueStart;
    marks[m + 3] = last - start;
    marks[m + 4] = this.hash;
    return true;
  }
}
