import type { HeaderList } from "../../http/index.ts";
import { latin1 } from "../../http/index.ts";
import { connectionError, errorCodes, type Http2Error, streamError } from "../errors.ts";
import { type FrameHandler, FrameReader, initialWindow, maxWindow, settingIds } from "../frames/index.ts";
import { HpackDecoder } from "../hpack/index.ts";
import type { ConnectionHandler, ConnectionOptions, Http2Connection } from "../types.ts";
import { errors } from "./errors.ts";
import { readTrailers } from "./message.ts";
import type { Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** WINDOW_UPDATE frames that no data was sent for: these, and so many a stream (see limits.maxWindowUpdatesPerData). */
const freeWindowUpdates = 5;
const freeWindowUpdatesPerStream = 2;
/** Payloads of our PINGs: keep-alive, and the round trip of a graceful end. */
const keepalivePing = Buffer.from("weftping");
const shutdownPing = Buffer.from("weftlast");
/** GOAWAY's debug text that is handed on. */
const maxDebugBytes = 256;
/** What server and client share of frames: SETTINGS, PING, GOAWAY, floods, the states that frames move. */
export abstract class Connection extends StreamTable implements Http2Connection, FrameHandler {
  settled = false;
  pinging = false;
  protected readonly decoder: HpackDecoder;
  /** Fields of the block just decoded. */
  protected readonly fields: HeaderList = [];
  /** Streams opened so far, by the side that opens them. */
  protected opened = 0;
  protected peerWindow = initialWindow;
  protected ownWindow: number;
  /** The last stream that the peer says it will process; above all others before it does. */
  protected peerLast = maxWindow;
  protected goawaySent = false;
  protected goawayReceived = false;
  private readonly reader: FrameReader;
  private settingsSentAt: number;
  private acknowledged = false;
  private priorities = 0;
  private windowUpdates = 0;
  private blocks = 0;
  /** When the header block that is incomplete now was seen first, -1: none; and which it was. */
  private blockSince = -1;
  private blockSeen = 0;

  constructor(role: "client" | "server", options: ConnectionOptions & { handler: ConnectionHandler }) {
    super(options);
    const { limits } = this;
    this.decoder = new HpackDecoder(limits);
    this.reader = new FrameReader(role, this, limits);
    // Before it acknowledged our SETTINGS the peer may go by the initial value.
    this.ownWindow = Math.max(limits.streamWindowBytes, initialWindow);
    this.settingsSentAt = options.clock.now();
  }

  get activeStreams(): number {
    return this.streams.size;
  }

  get queuedBytes(): number {
    return this.outbound.queuedBytes;
  }

  get closing(): boolean {
    return this.goawaySent || this.goawayReceived || this.failure !== null;
  }

  get closed(): boolean {
    return this.failure !== null;
  }

  get timed(): boolean {
    return this.failure === null && (!this.acknowledged || this.blockSince >= 0);
  }

  feed(bytes: Uint8Array): Http2Error | null {
    if (this.failure === null) {
      const error = this.reader.feed(bytes);
      if (error !== null) this.fail(error);
      else this.watchBlock();
    }
    return this.failure;
  }

  flush(): void {
    if (this.failure !== null) return;
    this.outbound.flush();
    if (this.outbound.flooded) this.fail(errors.unread);
    else if (this.overdrawn) this.fail(errors.resets);
  }

  drained(): void {
    this.outbound.drained();
  }

  check(): void {
    if (this.failure !== null) return;
    const now = this.clock.now();
    if (!this.acknowledged && now - this.settingsSentAt > this.limits.settingsAckTimeoutMs) {
      this.fail(errors.settingsTimeout);
    } else if (this.blockSince >= 0 && now - this.blockSince > this.limits.headerBlockTimeoutMs) {
      this.fail(errors.blockTimeout);
    }
  }

  ping(): void {
    if (this.pinging || this.failure !== null) return;
    this.pinging = true;
    this.outbound.writer.ping(false, keepalivePing);
    this.outbound.touch();
  }

  shutdown(): void {
    if (this.goawaySent || this.failure !== null) return;
    this.goawaySent = true;
    this.shuttingDown = true;
    this.outbound.writer.goaway(this.graceLast, errorCodes.noError);
    this.outbound.writer.ping(false, shutdownPing);
    this.outbound.touch();
  }

  finishShutdown(): void {
    if (!this.shuttingDown || this.failure !== null) return;
    this.shuttingDown = false;
    this.lastGoaway();
    this.outbound.touch();
    this.noteIdle();
  }

  abort(code: number, debug: string): void {
    this.end(connectionError(code, "aborted", debug), true);
  }

  close(): void {
    this.outbound.close();
    this.end(errors.closed, false);
  }

  // Frames

  onData(
    streamId: number,
    chunk: Uint8Array,
    length: number,
    padding: number,
    endStream: boolean,
  ): Http2Error | null {
    if (this.failure !== null) return this.failure;
    if (length > 0 && !this.window.take(length)) return errors.window;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.credit(chunk.length + padding);
      return this.strayData(streamId, endStream);
    }
    stream.recvWindow -= length;
    if (padding > 0) this.consumed(stream, padding);
    stream.unconsumed += chunk.length;
    stream.received += chunk.length;
    const fault = this.checkData(stream);
    if (fault !== null) return this.dataFault(fault, endStream);
    if (chunk.length > 0) stream.handler.onData(chunk);
    if (endStream && !stream.closed) return this.endRemote(stream);
    return this.failure;
  }

  onHeaders(
    streamId: number,
    block: Uint8Array,
    endStream: boolean,
    fault: Http2Error | null,
  ): Http2Error | null {
    if (this.failure !== null) return this.failure;
    this.blocks++;
    this.fields.length = 0;
    const error = this.decoder.decode(block, this.fields);
    if (error !== null) return error;
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.newHeaders(streamId, endStream, fault);
    if (fault !== null) return this.fault(fault);
    if (stream.remoteEnded) {
      return this.faultOf(stream, errorCodes.streamClosed, "half_closed", "HEADERS behind the stream's end");
    }
    if (this.decoder.tooLarge) {
      return this.malformed(stream, "headers_too_large", "header list exceeds its limit");
    }
    if (this.decoder.malformed !== "") return this.malformed(stream, "malformed", this.decoder.malformed);
    return this.moreHeaders(stream, endStream);
  }

  onPushPromise(): Http2Error {
    return errors.pushed;
  }

  onPriority(): Http2Error | null {
    this.priorities++;
    const most = this.limits.maxPriorityPerStream * (1 + this.opened);
    return this.priorities > most ? errors.priorities : this.failure;
  }

  onRstStream(streamId: number, code: number): Http2Error | null {
    if (this.failure !== null) return this.failure;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.resets.delete(streamId);
      return this.isIdle(streamId) ? errors.idleStream : null;
    }
    if (this.countsResets && !this.budget.take()) return errors.resets;
    this.cut(stream, code, code === errorCodes.refusedStream ? "unprocessed" : "remote");
    return this.failure;
  }

  onSettings(values: readonly number[]): Http2Error | null {
    if (this.failure !== null) return this.failure;
    for (let i = 0; i < values.length; i += 2) {
      const error = this.applySetting(values[i]!, values[i + 1]!);
      if (error !== null) return error;
    }
    this.settled = true;
    this.outbound.writer.settingsAck();
    this.outbound.owedFrame();
    this.handler.onSettings();
    return this.outbound.flooded ? errors.unread : this.failure;
  }

  onSettingsAck(): Http2Error | null {
    if (this.acknowledged) return errors.settingsAck;
    this.acknowledged = true;
    this.decoder.setMaxTableSize(this.limits.headerTableBytes);
    const delta = this.limits.streamWindowBytes - this.ownWindow;
    this.ownWindow = this.limits.streamWindowBytes;
    if (delta !== 0) for (const stream of this.streams.values()) stream.recvWindow += delta;
    return this.failure;
  }

  onPing(ack: boolean, payload: Uint8Array): Http2Error | null {
    if (this.failure !== null) return this.failure;
    if (!ack) {
      this.outbound.writer.ping(true, payload);
      this.outbound.owedFrame();
      return this.outbound.flooded ? errors.unread : null;
    }
    if (this.shuttingDown && shutdownPing.equals(payload)) this.finishShutdown();
    else if (this.pinging && keepalivePing.equals(payload)) {
      this.pinging = false;
      this.handler.onPong();
    }
    return this.failure;
  }

  onGoaway(lastStreamId: number, code: number, debug: Uint8Array): Http2Error | null {
    if (this.failure !== null) return this.failure;
    if (lastStreamId > this.peerLast) return errors.goawayRaised;
    this.peerLast = lastStreamId;
    this.goawayReceived = true;
    this.dropUnprocessed(lastStreamId);
    this.handler.onGoaway(code, lastStreamId, latin1(debug, 0, Math.min(debug.length, maxDebugBytes)));
    return this.failure;
  }

  onWindowUpdate(streamId: number, increment: number): Http2Error | null {
    if (this.failure !== null) return this.failure;
    const { outbound, limits } = this;
    this.windowUpdates++;
    const free = freeWindowUpdates + freeWindowUpdatesPerStream * this.opened;
    if (this.windowUpdates > free + limits.maxWindowUpdatesPerData * outbound.dataFrames) {
      return errors.windowUpdates;
    }
    if (streamId === 0) {
      outbound.window += increment;
      outbound.touch();
      return outbound.window > maxWindow ? errors.windowOverflow : null;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.isIdle(streamId) ? errors.idleStream : null;
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindow) {
      const detail = "the stream's window exceeds 2^31-1";
      return this.faultOf(stream, errorCodes.flowControlError, "stream_window_overflow", detail);
    }
    outbound.ready(stream);
    return null;
  }

  onStreamError(error: Http2Error): Http2Error | null {
    if (this.failure !== null) return this.failure;
    if (!this.isIdle(error.streamId)) return this.fault(error);
    return connectionError(error.code, error.reason.slice("http2.".length), error.detail);
  }

  // For the sides

  /** Id that GOAWAY names at the start of a graceful end, and at its end. */
  protected abstract readonly graceLast: number;
  protected abstract readonly lastId: number;
  /** The stream was never opened, so almost nothing may come on it. */
  protected abstract isIdle(streamId: number): boolean;
  /** A header block (in `fields`) on a stream that is not in the table. */
  protected abstract newHeaders(
    streamId: number,
    endStream: boolean,
    fault: Http2Error | null,
  ): Http2Error | null;
  /** A well-formed header block on an open stream. */
  protected abstract moreHeaders(stream: Stream, endStream: boolean): Http2Error | null;
  protected abstract applyOwn(id: number, value: number): Http2Error | null;
  protected abstract dropUnprocessed(lastStreamId: number): void;

  /** Trailers: the block in `fields`. */
  protected endWithTrailers(stream: Stream, endStream: boolean): Http2Error | null {
    if (!endStream) return this.malformed(stream, "trailers_not_last", "trailers do not end the stream");
    const trailers = readTrailers(this.fields);
    if (typeof trailers === "string") return this.malformed(stream, "malformed", trailers);
    const short = this.checkLength(stream);
    if (short !== null) return this.fault(short);
    if (trailers.length > 0) stream.handler.onTrailers(trailers);
    return stream.closed ? this.failure : this.endRemote(stream);
  }

  protected lastGoaway(): void {
    this.outbound.writer.goaway(this.lastId, errorCodes.noError);
  }

  private checkData(stream: Stream): Http2Error | null {
    const { id } = stream;
    if (stream.remoteEnded) {
      return streamError(errorCodes.streamClosed, id, "half_closed", "DATA behind the stream's end");
    }
    if (stream.recvWindow < 0) {
      return streamError(
        errorCodes.flowControlError,
        id,
        "stream_window",
        "more data than the window allows",
      );
    }
    if (stream.contentLength >= 0 && stream.received > stream.contentLength) {
      return streamError(
        errorCodes.protocolError,
        id,
        "content_length",
        "more data than Content-Length says",
      );
    }
    return this.checkOrder(stream);
  }

  /** Data in front of an answer's head. */
  protected checkOrder(_stream: Stream): Http2Error | null {
    return null;
  }

  private strayData(streamId: number, endStream: boolean): Http2Error | null {
    if (this.isIdle(streamId)) return errors.idleStream;
    if (this.resets.has(streamId)) {
      if (endStream) this.resets.delete(streamId);
      return null;
    }
    const detail = "DATA on a closed stream";
    return this.dataFault(streamError(errorCodes.streamClosed, streamId, "closed_stream", detail), endStream);
  }

  /** DATA is wrong for its stream. Nothing that may be ignored follows its end, however the frame was cut. */
  private dataFault(fault: Http2Error, endStream: boolean): Http2Error | null {
    const error = this.fault(fault);
    if (endStream) this.resets.delete(fault.streamId);
    return error;
  }

  private applySetting(id: number, value: number): Http2Error | null {
    switch (id) {
      case settingIds.headerTableSize:
        this.outbound.encoder.setMaxTableSize(value);
        return null;
      case settingIds.initialWindowSize: {
        const delta = value - this.peerWindow;
        this.peerWindow = value;
        for (const stream of this.streams.values()) {
          stream.sendWindow += delta;
          if (stream.sendWindow > maxWindow) return errors.settingOverflow;
          if (delta > 0) this.outbound.ready(stream);
        }
        return null;
      }
      default:
        return this.applyOwn(id, value);
    }
  }

  /** Notes since when a header block lacks its end. */
  private watchBlock(): void {
    if (!this.reader.midBlock) this.blockSince = -1;
    else if (this.blockSince < 0 || this.blockSeen !== this.blocks) {
      this.blockSince = this.clock.now();
      this.blockSeen = this.blocks;
    }
  }

  private fail(error: Http2Error): void {
    if (this.failure !== null) return;
    this.end(error, true);
    this.handler.onError(error);
  }

  private end(error: Http2Error, tell: boolean): void {
    if (this.failure !== null) return;
    this.failure = error;
    if (tell) {
      this.outbound.writer.goaway(this.lastId, error.code, error.detail);
      this.outbound.push();
    }
    const streams = [...this.streams.values()];
    for (const stream of streams) {
      this.detach(stream, true);
      stream.handler.onReset(error.code, "connection");
    }
  }
}
