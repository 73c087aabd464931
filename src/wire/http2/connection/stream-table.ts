import type { HeaderList } from "../../http/index.ts";
import { errorCodes, type Http2Error, streamError } from "../errors.ts";
import { initialWindow } from "../frames/index.ts";
import { defaultHttp2Limits, type Http2Limits } from "../limits.ts";
import type { ConnectionHandler, ConnectionOptions, ResetCause } from "../types.ts";
import { errors } from "./errors.ts";
import { listResponse } from "./message.ts";
import { Outbound, type OutboundUser } from "./outbound.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { RecentResets, ResetBudget } from "./reset-budget.ts";
import type { Stream, StreamOwner } from "./stream.ts";

/** What is sent is listed here: encoding ends before anything else is encoded. */
export const scratch: HeaderList = [];

/** The streams of a connection: what their users do with them, how they end, what their data takes of the windows. */
export abstract class StreamTable implements StreamOwner, OutboundUser {
  protected readonly limits: Http2Limits;
  protected readonly handler: ConnectionHandler;
  protected readonly clock: { now(): number };
  protected readonly outbound: Outbound;
  protected readonly streams = new Map<number, Stream>();
  protected readonly resets: RecentResets;
  protected readonly budget: ResetBudget;
  protected readonly window: ReceiveWindow;
  protected failure: Http2Error | null = null;
  /** A graceful end waits for its round trip. */
  protected shuttingDown = false;
  /** Our user reset more streams than the peer may make it. */
  protected overdrawn = false;

  constructor(options: ConnectionOptions & { handler: ConnectionHandler }) {
    const limits = options.limits ?? defaultHttp2Limits;
    this.limits = limits;
    this.handler = options.handler;
    this.clock = options.clock;
    this.outbound = new Outbound(options.output, this, limits);
    this.resets = new RecentResets(limits.maxRememberedResets);
    this.budget = new ResetBudget(limits.resetBurst, limits.resetsPerSecond, options.clock);
    this.window = new ReceiveWindow(Math.max(limits.connectionWindowBytes, initialWindow));
  }

  // Streams

  streamHeaders(
    stream: Stream,
    status: number,
    headers: Readonly<HeaderList>,
    endStream: boolean,
    neverIndexed: readonly string[] | undefined,
  ): void {
    listResponse(status, headers, scratch);
    this.outbound.headers(stream, scratch, endStream, neverIndexed);
  }

  streamData(stream: Stream, chunk: Uint8Array, endStream: boolean): boolean {
    return this.outbound.data(stream, chunk, endStream);
  }

  streamTrailers(stream: Stream, trailers: Readonly<HeaderList>): void {
    this.outbound.trailers(stream, trailers);
  }

  streamReset(stream: Stream, code: number): void {
    this.outbound.writer.rstStream(stream.id, code);
    this.outbound.owedFrame();
    if (this.countsResets && code !== errorCodes.noError && !this.budget.take()) this.overdrawn = true;
    if (!stream.remoteEnded) this.resets.add(stream.id);
    this.detach(stream, true);
    this.noteIdle();
  }

  streamConsumed(stream: Stream, count: number): void {
    const held = Math.min(count, stream.unconsumed);
    stream.unconsumed -= held;
    if (held > 0) this.consumed(stream, held);
  }

  onEndSent(stream: Stream): void {
    if (!stream.remoteEnded || stream.closed) return;
    this.detach(stream, false);
    this.noteIdle();
  }

  // For the connection

  /** Whether resets of streams are counted: only a server's peer makes others work by resetting. */
  protected abstract readonly countsResets: boolean;
  /** The peer broke a rule of one stream, which ends; too many such and the connection ends. */
  protected fault(error: Http2Error): Http2Error | null {
    const { outbound } = this;
    if (!this.budget.take()) return errors.resets;
    const stream = this.streams.get(error.streamId);
    outbound.writer.rstStream(error.streamId, error.code);
    outbound.owedFrame();
    this.resets.add(error.streamId);
    this.handler.onStreamFault(error);
    if (stream !== undefined && !stream.closed) this.cut(stream, error.code, "fault");
    return outbound.flooded ? errors.unread : this.failure;
  }

  protected faultOf(stream: Stream, code: number, reason: string, detail: string): Http2Error | null {
    return this.fault(streamError(code, stream.id, reason, detail));
  }

  protected malformed(stream: Stream, reason: string, detail: string): Http2Error | null {
    return this.faultOf(stream, errorCodes.protocolError, reason, detail);
  }

  /** The peer's message is complete. */
  protected endRemote(stream: Stream): Http2Error | null {
    const short = this.checkLength(stream);
    if (short !== null) return this.fault(short);
    stream.remoteEnded = true;
    const over = stream.endSent;
    if (over) this.detach(stream, false);
    stream.handler.onEnd();
    if (over) this.noteIdle();
    return this.failure;
  }

  /** Ends a stream by a reset and tells its user. */
  protected cut(stream: Stream, code: number, cause: ResetCause): void {
    this.detach(stream, true);
    stream.handler.onReset(code, cause);
    this.noteIdle();
  }

  protected noteIdle(): void {
    if (this.streams.size === 0 && this.failure === null && !this.shuttingDown) this.handler.onIdle();
  }

  protected detach(stream: Stream, cut: boolean): void {
    this.streams.delete(stream.id);
    stream.closed = true;
    this.outbound.drop(stream);
    if (!cut) return;
    stream.cut = true;
    const held = stream.unconsumed;
    stream.unconsumed = 0;
    if (held > 0) this.credit(held);
  }

  protected checkLength(stream: Stream): Http2Error | null {
    if (stream.contentLength < 0 || stream.received === stream.contentLength) return null;
    const detail = "less data than Content-Length says";
    return streamError(errorCodes.protocolError, stream.id, "content_length", detail);
  }

  /** Octets of a stream were consumed: gives windows back, half a window at a time. */
  protected consumed(stream: Stream, count: number): void {
    this.credit(count);
    if (stream.remoteEnded || stream.closed) return;
    stream.owed += count;
    if (stream.owed < this.limits.streamWindowBytes / 2) return;
    stream.recvWindow += stream.owed;
    this.outbound.writer.windowUpdate(stream.id, stream.owed);
    stream.owed = 0;
    this.outbound.touch();
  }

  protected credit(count: number): void {
    const increment = this.window.give(count);
    if (increment === 0 || this.failure !== null) return;
    this.outbound.writer.windowUpdate(0, increment);
    this.outbound.touch();
  }
}
