import { type HeaderList, parseContentLength } from "../http/index.ts";
import { errors } from "./errors.ts";
import type { HeadReader } from "./head-reader.ts";
import { marks, marksPerField } from "./head-scanner.ts";
import {
  connectionField,
  contentLengthField,
  expectField,
  found,
  hostField,
  internName,
  plainField,
  transferEncodingField,
  upgradeField,
} from "./names.ts";
import type { Http1Error } from "./types.ts";

/** What the fields of a head say about its message. */
export class HeadFields {
  contentLength = -1;
  chunked = false;
  host: string | null = null;
  close = false;
  keepAlive = false;
  /** Connection names Upgrade. */
  upgradeNominated = false;
  upgrade: string | null = null;
  expect: string | null = null;
  error: Http1Error | null = null;

  /** Reads the fields that the scanner marked; `text` is the head as latin1. */
  collect(reader: HeadReader, text: string): HeaderList {
    this.reset();
    const { source, start } = reader;
    const headers: HeaderList = [];
    const stop = reader.scanner.fields * marksPerField;
    for (let m = 0; m < stop; m += marksPerField) {
      internName(source, start + marks[m]!, start + marks[m + 1]!, marks[m + 4]!);
      const value = text.substring(marks[m + 2]!, marks[m + 3]!);
      headers.push(found.name, value);
      if (found.kind !== plainField) this.note(found.kind, value);
    }
    if (this.chunked && this.contentLength !== -1) this.fail(errors.contentLengthAndChunked);
    return headers;
  }

  private reset(): void {
    this.contentLength = -1;
    this.chunked = false;
    this.host = null;
    this.close = false;
    this.keepAlive = false;
    this.upgradeNominated = false;
    this.upgrade = null;
    this.expect = null;
    this.error = null;
  }

  /** The first verdict stands. */
  private fail(error: Http1Error): void {
    this.error ??= error;
  }

  private note(kind: number, value: string): void {
    switch (kind) {
      case hostField:
        if (this.host !== null) this.fail(errors.hostRepeated);
        this.host = value;
        return;
      case contentLengthField:
        if (this.contentLength !== -1) this.fail(errors.contentLengthRepeated);
        this.contentLength = parseContentLength(value);
        if (this.contentLength === -1) this.fail(errors.contentLength);
        return;
      case transferEncodingField:
        if (this.chunked) this.fail(errors.transferEncodingRepeated);
        this.chunked = true;
        if (value !== "chunked") this.otherCoding(value);
        return;
      case connectionField:
        this.connection(value);
        return;
      case expectField:
        this.expect = this.expect === null ? value.toLowerCase() : `${this.expect}, ${value}`;
        return;
      case upgradeField:
        this.upgrade =
          this.upgrade === null ? value.toLowerCase() : `${this.upgrade}, ${value.toLowerCase()}`;
        return;
      default:
        this.fail(errors.disguised);
    }
  }

  /** A list that ends in something other than chunked is wrong; one with further codings is unknown here. */
  private otherCoding(value: string): void {
    const lower = value.toLowerCase();
    if (lower === "chunked") return;
    const codings = /^[a-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[a-z0-9!#$%&'*+.^_`|~-]+)*$/.test(lower);
    const early = /\bchunked\b[ \t]*,/.test(lower);
    this.fail(codings && !early ? errors.transferEncodingUnknown : errors.transferEncoding);
  }

  private connection(value: string): void {
    if (value === "keep-alive" || value === "Keep-Alive") {
      this.keepAlive = true;
      return;
    }
    for (const part of value.toLowerCase().split(",")) {
      const token = part.trim();
      if (token === "close") this.close = true;
      else if (token === "keep-alive") this.keepAlive = true;
      else if (token === "upgrade") this.upgradeNominated = true;
    }
  }
}

/** The one of this thread: a head is read in one go. */
export const headFields = new HeadFields();
