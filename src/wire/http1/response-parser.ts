import { latin1 } from "../http/index.ts";
import { BodyReader } from "./body-reader.ts";
import { errors, upstreamError } from "./errors.ts";
import { headFields } from "./head-fields.ts";
import { HeadReader } from "./head-reader.ts";
import { defaultHttp1Limits, type Http1Limits } from "./limits.ts";
import type { Http1Error, ResponseHandler, ResponseHead } from "./types.ts";

/** No request is under way: any byte is too much. */
const quiet = 0;
const inHead = 1;
const inBody = 2;
const tunnel = 3;
const closed = 4;

/**
 * Client side of a connection: bytes in, events out; one response a request. After an error the parser stays
 * dead and the connection must be closed. Errors have status 502.
 */
export class ResponseParser {
  private readonly head: HeadReader;
  private readonly body: BodyReader;
  private mode = quiet;
  private method = "";
  private mayUpgrade = false;
  private informational = 0;
  private answered = false;
  private keep = true;
  private failure: Http1Error | null = null;

  private readonly handler: ResponseHandler;
  private readonly limits: Http1Limits;

  constructor(handler: ResponseHandler, limits: Http1Limits = defaultHttp1Limits) {
    this.handler = handler;
    this.limits = limits;
    this.head = new HeadReader("response", limits);
    this.body = new BodyReader(handler, limits);
  }

  /**
   * A request with `method` is being sent; its response is next. Call once a request, after the end of the
   * response before. `upgrade`: the request asked for an upgrade, so 101 is an answer.
   */
  expect(method: string, upgrade = false): void {
    if (this.mode !== quiet) return;
    this.mode = inHead;
    this.method = method;
    this.mayUpgrade = upgrade;
    this.informational = 0;
  }

  feed(bytes: Uint8Array): Http1Error | null {
    const end = bytes.length;
    let p = 0;
    while (p < end) {
      if (this.mode === inBody) p = this.readBody(bytes, p, end);
      else if (this.mode === inHead) p = this.readHead(bytes, p, end);
      else {
        if (this.mode === tunnel) this.handler.onData(p === 0 ? bytes : bytes.subarray(p));
        else if (this.mode === quiet) this.fail(this.answered ? errors.responseFlood : errors.unsolicited);
        break;
      }
    }
    return this.failure;
  }

  /** The upstream closed: ends a close-delimited body or a tunnel; an error in the middle of a response. */
  eof(): Http1Error | null {
    if (this.mode === tunnel || (this.mode === inBody && this.body.closeDelimited)) {
      this.keep = false;
      this.mode = closed;
      this.handler.onEnd();
    } else if (this.mode === inBody || this.mode === inHead) this.fail(errors.truncated);
    return this.failure;
  }

  /** Ignores everything from now on. */
  close(): void {
    this.mode = closed;
  }

  /** No response is awaited and none is under way. */
  get idle(): boolean {
    return this.mode === quiet;
  }

  /** Nothing of the awaited response has come: the request may be retried if it had not been acted on. */
  get untouched(): boolean {
    return this.mode === inHead && !this.head.started && this.informational === 0;
  }

  /** From within `onEnd` and after: the connection may carry another request. */
  get reusable(): boolean {
    return this.keep && this.mode === quiet;
  }

  private fail(error: Http1Error): void {
    this.failure = upstreamError(error);
    this.mode = closed;
    this.keep = false;
  }

  private readHead(bytes: Uint8Array, from: number, end: number): number {
    const p = this.head.read(bytes, from, end);
    if (p === -1) return end;
    if (p === -2) {
      this.fail(this.head.error!);
      return end;
    }
    const response = this.response();
    this.head.reset();
    if (response === null) return end;
    if (response.status < 200 && response.status !== 101) {
      if (++this.informational > this.limits.maxInformational) this.fail(errors.informationalFlood);
      else this.handler.onInformational(response);
      return p;
    }
    return this.begin(response, p, end);
  }

  private begin(response: ResponseHead, p: number, end: number): number {
    const { status } = response;
    if (status === 101 || (this.method === "CONNECT" && status < 300)) {
      if (status === 101 && !this.mayUpgrade) {
        this.fail(errors.unsolicitedSwitch);
        return end;
      }
      this.mode = tunnel;
      this.keep = false;
      this.handler.onResponse(response, false);
      return p;
    }
    if (this.method === "HEAD" || status === 204 || status === 304) this.body.end();
    else if (response.chunked) this.body.beginChunked();
    else if (response.contentLength >= 0) this.body.beginLength(response.contentLength);
    else this.body.beginUntilClose();
    this.keep = response.keepAlive;
    this.mode = inBody;
    const endStream = this.body.done;
    this.handler.onResponse(response, endStream);
    // The handler may have closed the parser.
    return endStream && this.mode === inBody ? this.finish(p, end) : p;
  }

  private readBody(bytes: Uint8Array, from: number, end: number): number {
    const p = this.body.read(bytes, from, end);
    if (p === -2) {
      this.fail(this.body.error!);
      return end;
    }
    return this.body.done && this.mode === inBody ? this.finish(p, end) : p;
  }

  /**
   * Bytes behind the end are judged before `onEnd`, which may put the connection to its next use: they must
   * never be read as the answer to that.
   */
  private finish(p: number, end: number): number {
    this.answered = true;
    this.mode = quiet;
    if (p < end) this.fail(errors.responseFlood);
    this.handler.onEnd();
    return end;
  }

  /** The response whose head was just read; null after a failure. */
  private response(): ResponseHead | null {
    const { source, start, end, scanner } = this.head;
    const text = latin1(source, start, end);
    const headers = headFields.collect(this.head, text);
    const version = scanner.versionMinor === 1 ? 11 : 10;
    const { contentLength, chunked, close, keepAlive } = headFields;
    const error = headFields.error ?? (chunked && version === 10 ? errors.transferEncodingOld : null);
    if (error !== null) {
      this.fail(error);
      return null;
    }
    const delimited = chunked || contentLength >= 0 || this.bodiless(scanner.status);
    return {
      status: scanner.status,
      reason: text.substring(scanner.reasonStart, scanner.reasonEnd),
      version,
      headers,
      contentLength,
      chunked,
      keepAlive: delimited && !close && (version === 11 || keepAlive),
    };
  }

  private bodiless(status: number): boolean {
    return this.method === "HEAD" || status < 200 || status === 204 || status === 304;
  }
}
