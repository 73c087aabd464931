import { errorCodes, type Http2Error, streamError } from "../errors.ts";
import { maxWindow, settingIds } from "../frames/index.ts";
import type { ServerHandler, ServerOptions } from "../types.ts";
import { Connection } from "./connection.ts";
import { errors } from "./errors.ts";
import { readRequest } from "./message.ts";
import { ownSettings, raiseWindow } from "./settings.ts";
import { Stream } from "./stream.ts";

/** Status of the answer to a request whose header list is too large. */
const headersTooLarge = 431;

/** The server's side of a connection. See `Http2Connection` for its use. */
export class ServerConnection extends Connection {
  protected readonly countsResets = true;
  protected readonly graceLast = maxWindow;
  /** The highest stream that the client opened. */
  protected lastId = 0;
  private readonly requests: ServerHandler;
  private readonly extendedConnect: boolean;
  /** After the last GOAWAY streams above this are ignored. */
  private lastServed = maxWindow;

  constructor(options: ServerOptions) {
    super("server", options);
    this.requests = options.handler;
    this.extendedConnect = options.extendedConnect === true;
    const values = ownSettings(this.limits);
    values.push(settingIds.maxConcurrentStreams, this.limits.maxConcurrentStreams);
    if (this.extendedConnect) values.push(settingIds.enableConnectProtocol, 1);
    this.outbound.writer.settings(values);
    raiseWindow(this.outbound.writer, this.limits);
    this.outbound.touch();
  }

  protected isIdle(streamId: number): boolean {
    return streamId > this.lastId || (streamId & 1) === 0;
  }

  protected newHeaders(id: number, endStream: boolean, fault: Http2Error | null): Http2Error | null {
    if ((id & 1) === 0) return errors.idleStream;
    if (id <= this.lastId) return this.lateHeaders(id, endStream);
    this.opened++;
    if (id > this.lastServed) {
      // It was told that we do not process it.
      this.lastId = id;
      if (!endStream) this.resets.add(id);
      return this.failure;
    }
    this.lastId = id;
    if (fault !== null) return this.fault(fault);
    if (this.streams.size >= this.limits.maxConcurrentStreams) {
      return this.refuse(
        id,
        endStream,
        errorCodes.refusedStream,
        "too_many_streams",
        "stream above the limit",
      );
    }
    if (this.decoder.tooLarge) return this.answerTooLarge(id, endStream);
    const { malformed } = this.decoder;
    if (malformed !== "") return this.refuse(id, endStream, errorCodes.protocolError, "malformed", malformed);
    return this.begin(id, endStream);
  }

  protected moreHeaders(stream: Stream, endStream: boolean): Http2Error | null {
    return this.endWithTrailers(stream, endStream);
  }

  protected applyOwn(): null {
    return null; // What a client says of push and of its own concurrency is nothing to a server that does not push.
  }

  protected dropUnprocessed(): void {} // The client's GOAWAY speaks of streams that a server opens: none.

  protected override lastGoaway(): void {
    this.lastServed = this.lastId;
    super.lastGoaway();
  }

  /** HEADERS on a stream that is over. */
  private lateHeaders(id: number, endStream: boolean): Http2Error | null {
    if (!this.resets.has(id)) return errors.closedStream;
    if (endStream) this.resets.delete(id);
    return this.failure;
  }

  private begin(id: number, endStream: boolean): Http2Error | null {
    const head = readRequest(this.fields, this.decoder.neverIndexed, this.extendedConnect);
    if (typeof head === "string") {
      return this.refuse(id, endStream, errorCodes.protocolError, "malformed", head);
    }
    const { contentLength } = head;
    if (endStream && contentLength > 0) {
      const detail = "less data than Content-Length says";
      return this.refuse(id, endStream, errorCodes.protocolError, "content_length", detail);
    }
    const stream = new Stream(this, id, this.peerWindow, this.ownWindow);
    stream.contentLength = contentLength;
    stream.remoteEnded = endStream;
    this.streams.set(id, stream);
    const handler = this.requests.onRequest(stream, head, endStream);
    stream.handler = handler;
    if (this.failure !== null) handler.onReset(this.failure.code, "connection");
    else if (endStream && !stream.cut) handler.onEnd();
    return this.failure;
  }

  /** Resets a stream that came not to be. */
  private refuse(
    id: number,
    endStream: boolean,
    code: number,
    reason: string,
    detail: string,
  ): Http2Error | null {
    const error = this.fault(streamError(code, id, reason, detail));
    // Nothing more is on its way.
    if (endStream) this.resets.delete(id);
    return error;
  }

  /** Answers by itself: without all its fields nobody can serve the request. Whatever else comes is unwanted. */
  private answerTooLarge(id: number, endStream: boolean): Http2Error | null {
    const stream = new Stream(this, id, this.peerWindow, this.ownWindow);
    this.streamHeaders(stream, headersTooLarge, [], true, undefined);
    const detail = "header list exceeds its limit";
    return this.refuse(id, endStream, errorCodes.noError, "headers_too_large", detail);
  }
}
