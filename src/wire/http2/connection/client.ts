import { errorCodes, type Http2Error, streamError } from "../errors.ts";
import { maxWindow, settingIds } from "../frames/index.ts";
import type {
  ClientOptions,
  Http2ClientConnection,
  Http2RequestHead,
  Http2ResponseHead,
  Http2Stream,
  StreamHandler,
} from "../types.ts";
import { Connection } from "./connection.ts";
import { errors } from "./errors.ts";
import { listRequest, readResponse } from "./message.ts";
import { ownSettings, raiseWindow } from "./settings.ts";
import { Stream } from "./stream.ts";
import { scratch } from "./stream-table.ts";

/** Streams opened at once before the server's SETTINGS say how many it takes; Go's client has the same. */
const streamsBeforeSettings = 100;

/** The client's side of a connection. See `Http2Connection` and `Http2ClientConnection` for its use. */
export class ClientConnection extends Connection implements Http2ClientConnection {
  extendedConnect = false;
  protected readonly countsResets = false;
  // Of the streams that a server opens, that is, pushes: there are none.
  protected readonly graceLast = 0;
  protected readonly lastId = 0;
  private readonly ownMost: number;
  private peerMost = streamsBeforeSettings;
  private nextId = 1;

  constructor(options: ClientOptions) {
    super("client", options);
    this.ownMost = options.maxConcurrentStreams ?? Number.MAX_SAFE_INTEGER;
    const { writer } = this.outbound;
    writer.preface();
    const values = ownSettings(this.limits);
    values.push(settingIds.enablePush, 0);
    writer.settings(values);
    raiseWindow(writer, this.limits);
    this.outbound.touch();
  }

  get canOpen(): boolean {
    const open = this.streams.size;
    return !this.closing && open < this.peerMost && open < this.ownMost && this.nextId <= maxWindow;
  }

  openStream(head: Http2RequestHead, endStream: boolean, handler: StreamHandler): Http2Stream | null {
    if (!this.canOpen || (head.protocol !== null && !this.extendedConnect)) return null;
    const stream = new Stream(this, this.nextId, this.peerWindow, this.ownWindow);
    this.nextId += 2;
    this.opened++;
    stream.handler = handler;
    stream.headRequest = head.method === "HEAD";
    stream.connectRequest = head.method === "CONNECT";
    this.streams.set(stream.id, stream);
    listRequest(head, scratch);
    this.outbound.headers(stream, scratch, endStream, head.neverIndexed);
    return stream;
  }

  protected isIdle(streamId: number): boolean {
    return streamId >= this.nextId || (streamId & 1) === 0;
  }

  protected newHeaders(id: number, endStream: boolean): Http2Error | null {
    if (this.isIdle(id)) return errors.idleStream;
    if (!this.resets.has(id)) return errors.closedStream;
    if (endStream) this.resets.delete(id);
    return this.failure;
  }

  protected moreHeaders(stream: Stream, endStream: boolean): Http2Error | null {
    if (stream.answered) return this.endWithTrailers(stream, endStream);
    const head = readResponse(this.fields, this.decoder.neverIndexed);
    if (typeof head === "string") return this.malformed(stream, "malformed", head);
    if (head.status < 200) return this.informational(stream, head, endStream);
    stream.answered = true;
    stream.contentLength = bodyLength(stream, head);
    stream.handler.onResponse(head, endStream);
    return endStream && !stream.closed ? this.endRemote(stream) : this.failure;
  }

  protected override checkOrder(stream: Stream): Http2Error | null {
    if (stream.answered) return null;
    return streamError(errorCodes.protocolError, stream.id, "data_first", "DATA in front of the answer");
  }

  protected applyOwn(id: number, value: number): Http2Error | null {
    switch (id) {
      case settingIds.maxConcurrentStreams:
        this.peerMost = value;
        return null;
      case settingIds.enablePush:
        return value === 0 ? null : errors.enablePush;
      case settingIds.enableConnectProtocol:
        if (this.extendedConnect && value === 0) return errors.connectProtocol;
        this.extendedConnect = value === 1;
        return null;
      default:
        return null;
    }
  }

  protected dropUnprocessed(lastStreamId: number): void {
    for (const stream of [...this.streams.values()]) {
      if (stream.id > lastStreamId && !stream.closed) {
        this.cut(stream, errorCodes.refusedStream, "unprocessed");
      }
    }
  }

  private informational(stream: Stream, head: Http2ResponseHead, endStream: boolean): Http2Error | null {
    // Switching protocols is unknown here (RFC 9113 section 8.6), and no 1xx is the last word.
    if (endStream || head.status === 101) {
      return this.malformed(stream, "informational", "101, or informational answer that ends the stream");
    }
    stream.informational++;
    if (stream.informational > this.limits.maxInformational) {
      return this.malformed(stream, "informational_flood", "more informational answers than the limit");
    }
    stream.handler.onInformational(head);
    return this.failure;
  }
}

/** Octets that the body must have; -1: any. */
function bodyLength(stream: Stream, head: Http2ResponseHead): number {
  if (stream.headRequest || head.status === 204 || head.status === 304) return 0;
  if (stream.connectRequest && head.status < 300) return -1;
  return head.contentLength;
}
