import { isAuthority, latin1, parseTarget } from "../http/index.ts";
import { BodyReader } from "./body-reader.ts";
import { ByteQueue } from "./byte-queue.ts";
import { errors } from "./errors.ts";
import { type HeadFields, headFields } from "./head-fields.ts";
import { HeadReader } from "./head-reader.ts";
import { defaultHttp1Limits, type Http1Limits } from "./limits.ts";
import type { Http1Error, RequestHandler, RequestHead } from "./types.ts";

const inHead = 0;
const inBody = 1;
/** A request is complete and unanswered: what follows is held until `next`. */
const holding = 2;
const tunnel = 3;
const closed = 4;

/**
 * Server side of a connection: bytes in, events out; strict (HARDENING 3.1 rows 1-9). After an error the
 * parser stays dead: answer with its status and close, since nothing behind it can be trusted.
 */
export class RequestParser {
  private readonly head: HeadReader;
  private readonly body: BodyReader;
  private readonly held = new ByteQueue();
  private mode = inHead;
  private failure: Http1Error | null = null;
  private running = false;
  /** Known to be right: a client repeats its Host. */
  private lastHost = "";
  private keep = true;

  private readonly handler: RequestHandler;
  private readonly limits: Http1Limits;

  constructor(handler: RequestHandler, limits: Http1Limits = defaultHttp1Limits) {
    this.handler = handler;
    this.limits = limits;
    this.head = new HeadReader("request", limits);
    this.body = new BodyReader(handler, limits);
  }

  /** Takes a read of the socket. `bytes` may be reused by the caller afterwards. */
  feed(bytes: Uint8Array): Http1Error | null {
    if (this.mode === holding) this.hold(bytes, 0, false);
    else this.run(bytes, false);
    return this.failure;
  }

  /**
   * The answer to the last request is written: goes on with what is held. May be called from within a
   * handler. Without a complete request before it, it does nothing; behind a request that was the last of
   * its connection (`keepAlive` false) everything is ignored.
   */
  next(): Http1Error | null {
    if (this.mode !== holding) return this.failure;
    if (!this.keep) {
      this.close();
      return null;
    }
    this.mode = inHead;
    if (this.running || this.held.length === 0) return null;
    this.run(this.held.take(), true);
    return this.failure;
  }

  /** Bytes held behind an unanswered request: stop reading the socket when there are enough of them. */
  get buffered(): number {
    return this.held.length;
  }

  /** Between two requests, with not a byte of the next one. */
  get idle(): boolean {
    return this.mode === inHead && !this.head.started;
  }

  /**
   * The last request became a tunnel (CONNECT or Upgrade was granted): gives the held bytes, and from now on
   * every byte goes to `onData` as it is.
   */
  upgraded(): Uint8Array {
    this.mode = tunnel;
    return this.held.take();
  }

  /** Ignores everything from now on: the connection is being closed. */
  close(): void {
    this.mode = closed;
    this.held.clear();
  }

  /** The client will send no more: an error in the middle of a message, else null. */
  eof(): Http1Error | null {
    if (this.failure !== null || this.mode === closed) return this.failure;
    if (this.mode === inBody || (this.mode === inHead && this.head.started)) this.fail(errors.truncated);
    return this.failure;
  }

  /** `owned`: the bytes may be kept without a copy. */
  private run(bytes: Uint8Array, owned: boolean): void {
    const end = bytes.length;
    let p = 0;
    this.running = true;
    while (p < end) {
      if (this.mode === inHead) p = this.readHead(bytes, p, end);
      else if (this.mode === inBody) p = this.readBody(bytes, p, end);
      else {
        if (this.mode === holding) this.hold(bytes, p, owned);
        else if (this.mode === tunnel) this.handler.onData(bytes.subarray(p));
        break;
      }
    }
    this.running = false;
  }

  private hold(bytes: Uint8Array, from: number, owned: boolean): void {
    const to = bytes.length;
    if (this.held.length + to - from > this.limits.maxPipelinedBytes) this.fail(errors.pipelineTooLong);
    else if (owned) this.held.adopt(bytes, from, to);
    else this.held.push(bytes, from, to);
  }

  private fail(error: Http1Error): void {
    this.failure = error;
    this.mode = closed;
    this.held.clear();
  }

  private readHead(bytes: Uint8Array, from: number, end: number): number {
    const { head } = this;
    const p = head.read(bytes, from, end);
    if (p === -1) return end;
    if (p === -2) {
      this.fail(head.error!);
      return end;
    }
    const request = this.request();
    head.reset();
    if (request === null) return end;
    if (request.chunked) this.body.beginChunked();
    else this.body.beginLength(Math.max(0, request.contentLength));
    this.keep = request.keepAlive;
    const endStream = this.body.done;
    this.mode = endStream ? holding : inBody;
    this.handler.onRequest(request, endStream);
    // The handler may have closed the parser.
    if (endStream && this.mode === holding) this.handler.onEnd();
    return p;
  }

  private readBody(bytes: Uint8Array, from: number, end: number): number {
    const p = this.body.read(bytes, from, end);
    if (p === -2) {
      this.fail(this.body.error!);
      return end;
    }
    if (this.body.done && this.mode === inBody) {
      this.mode = holding;
      this.handler.onEnd();
    }
    return p;
  }

  /** The request whose head was just read; null after a failure. */
  private request(): RequestHead | null {
    const { source, start, end, scanner } = this.head;
    const text = latin1(source, start, end);
    const headers = headFields.collect(this.head, text);
    const method = text.substring(scanner.lineStart, scanner.methodEnd);
    const target = text.substring(scanner.methodEnd + 1, scanner.targetEnd);
    const version = scanner.versionMinor === 1 ? 11 : 10;
    const error = this.check(headFields, method, target, version);
    if (error !== null) {
      this.fail(error);
      return null;
    }
    const { contentLength, chunked, expect } = headFields;
    return {
      method,
      target,
      version,
      headers,
      contentLength,
      chunked,
      keepAlive: !headFields.close && (version === 11 || headFields.keepAlive),
      expectContinue: expect !== null && version === 11 && (chunked || contentLength > 0),
      upgrade: version === 11 && headFields.upgradeNominated ? wantedUpgrade(headFields.upgrade) : null,
    };
  }

  /** What the head's bytes alone do not show to be wrong. */
  private check(fields: HeadFields, method: string, target: string, version: 10 | 11): Http1Error | null {
    if (fields.error !== null) return fields.error;
    const { host } = fields;
    if (host === null) {
      if (version === 11) return errors.hostMissing;
    } else if (host === "") {
      // Right only where the target has no authority (RFC 9110 section 7.2).
      if (target !== "*") return errors.host;
    } else if (host !== this.lastHost) {
      if (!isAuthority(host)) return errors.host;
      this.lastHost = host;
    }
    if (target.charCodeAt(0) !== 47 || method === "CONNECT") {
      if (parseTarget(method, target) === undefined) return errors.targetForm;
    }
    if (fields.chunked && version === 10) return errors.transferEncodingOld;
    if (method === "CONNECT" && (fields.chunked || fields.contentLength > 0)) return errors.connectBody;
    if (fields.expect !== null && fields.expect !== "100-continue") return errors.expectation;
    return null;
  }
}

/** h2c is never upgraded to: it would carry requests past the proxy's eyes (HARDENING row 11). */
function wantedUpgrade(value: string | null): string | null {
  return value === null || value === "" || /\bh2c?\b/.test(value) ? null : value;
}
