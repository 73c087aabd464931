import type { HeaderList } from "../../http/index.ts";
import { FrameWriter, initialWindow, minMaxFrameSize, OutputBuffer } from "../frames/index.ts";
import { HpackEncoder } from "../hpack/index.ts";
import type { Http2Limits } from "../limits.ts";
import type { Http2Output } from "../types.ts";
import { SendQueue } from "./send-queue.ts";
import type { Stream } from "./stream.ts";

/** Told when END_STREAM of a stream was written. */
export interface OutboundUser {
  onEndSent(stream: Stream): void;
}

/**
 * The sending half of a connection: frames gather in one buffer and leave in one write at `flush`. Data that windows
 * or the socket do not take waits with its stream; streams that can send take turns, a frame each.
 */
export class Outbound {
  readonly writer: FrameWriter;
  readonly encoder: HpackEncoder;
  /** What the peer takes on the whole connection. */
  window = initialWindow;
  /** DATA frames written, for the flood limit on WINDOW_UPDATE. */
  dataFrames = 0;
  private readonly out = new OutputBuffer();
  private readonly output: Http2Output;
  private readonly user: OutboundUser;
  private readonly limits: Http2Limits;
  /** Frames owed to the peer's frames that the socket did not take yet. */
  private controlFrames = 0;
  /** The socket does not take more. */
  private blocked = false;
  private gone = false;
  private announced = false;
  /** One of the ring of streams that have data and window. */
  private turn: Stream | null = null;

  constructor(output: Http2Output, user: OutboundUser, limits: Http2Limits) {
    this.output = output;
    this.user = user;
    this.limits = limits;
    this.encoder = new HpackEncoder(limits);
    this.writer = new FrameWriter(this.out, this.encoder);
  }

  get queuedBytes(): number {
    return this.out.length;
  }

  /** Something was or will be written: the owner is to flush. */
  touch(): void {
    if (this.announced) return;
    this.announced = true;
    this.output.onUnflushed();
  }

  /** A frame was written that the peer made us write. */
  owedFrame(): void {
    this.controlFrames++;
    this.touch();
  }

  /** Whether frames owed at once wait beyond what a peer that reads lets wait. */
  get flooded(): boolean {
    const { limits } = this;
    if (this.controlFrames <= limits.maxQueuedControlFrames && this.out.length <= limits.maxQueuedBytes) {
      return false;
    }
    this.push();
    return this.controlFrames > limits.maxQueuedControlFrames || this.out.length > limits.maxQueuedBytes;
  }

  headers(
    stream: Stream,
    list: Readonly<HeaderList>,
    endStream: boolean,
    neverIndexed?: readonly string[],
  ): void {
    this.writer.headers(stream.id, list, endStream, neverIndexed);
    this.touch();
    if (endStream) this.ended(stream);
  }

  /** Writes data as far as windows and socket take it, and keeps the rest. False: the queue is at its high watermark. */
  data(stream: Stream, chunk: Uint8Array, endStream: boolean): boolean {
    if (endStream) stream.sendEnded = true;
    let at = 0;
    const { length } = chunk;
    if (stream.queue === null || stream.queue.length === 0) {
      if (length === 0) {
        if (endStream) this.write(stream, chunk, 0, 0, true);
        return true;
      }
      // Those that wait for the connection go first.
      while (at < length && this.turn === null) {
        const room = this.room(stream);
        if (room <= 0) break;
        const to = Math.min(length, at + room);
        this.write(stream, chunk, at, to, endStream && to === length);
        at = to;
      }
      if (at === length) return true;
    }
    if (length > at) this.keep(stream, at === 0 ? chunk : chunk.subarray(at));
    return !stream.full;
  }

  trailers(stream: Stream, list: Readonly<HeaderList>): void {
    stream.sendEnded = true;
    if (stream.queuedBytes > 0) stream.trailers = [...list];
    else this.headers(stream, list, true);
  }

  /** The stream's window opened, or a new one of the connection may let it go on. */
  ready(stream: Stream): void {
    if (stream.next !== null || stream.sendWindow <= 0 || stream.queuedBytes === 0) return;
    const { turn } = this;
    if (turn === null) {
      this.turn = stream;
      stream.next = stream;
      stream.prev = stream;
    } else {
      // Behind all others: before the one whose turn it is.
      stream.next = turn;
      stream.prev = turn.prev;
      turn.prev!.next = stream;
      turn.prev = stream;
    }
    this.touch();
  }

  /** The stream is over: what waits of it is dropped. */
  drop(stream: Stream): void {
    this.leave(stream);
    stream.queue?.clear();
    stream.queue = null;
    stream.trailers = null;
  }

  /** Writes what was gathered and what can be sent. */
  flush(): void {
    do {
      this.fill();
      this.push();
    } while (!this.blocked && !this.gone && this.turn !== null && this.window > 0);
    this.announced = false;
  }

  drained(): void {
    this.blocked = false;
    this.flush();
  }

  /** Forgets all: the socket is gone. */
  close(): void {
    this.gone = true;
    this.out.clear();
  }

  /** Hands what is gathered to the socket, unless it took not all of the last. */
  push(): void {
    const { out } = this;
    if (this.blocked || this.gone || out.length === 0) return;
    const taken = this.output.write(out.view());
    if (taken < 0) {
      this.close();
      return;
    }
    out.advance(taken);
    if (out.length > 0) this.blocked = true;
    else this.controlFrames = 0;
  }

  /** Octets of the stream that can be written now. */
  private room(stream: Stream): number {
    const { gatherBytes } = this.limits;
    if (this.out.length >= gatherBytes) {
      this.push();
      if (this.out.length >= gatherBytes) return 0;
    }
    return Math.min(this.window, stream.sendWindow, Math.max(gatherBytes - this.out.length, minMaxFrameSize));
  }

  private write(stream: Stream, bytes: Uint8Array, from: number, to: number, endStream: boolean): void {
    this.writer.data(stream.id, bytes, from, to, endStream);
    const count = to - from;
    this.window -= count;
    stream.sendWindow -= count;
    this.dataFrames += count > minMaxFrameSize ? Math.ceil(count / minMaxFrameSize) : 1;
    this.touch();
    if (endStream) this.ended(stream);
  }

  private ended(stream: Stream): void {
    stream.sendEnded = true;
    stream.endSent = true;
    this.user.onEndSent(stream);
  }

  private keep(stream: Stream, chunk: Uint8Array): void {
    stream.queue ??= new SendQueue();
    stream.queue.push(chunk);
    if (stream.queue.length >= this.limits.highWatermarkBytes) stream.full = true;
    this.ready(stream);
  }

  private leave(stream: Stream): void {
    const { next, prev } = stream;
    if (next === null) return;
    if (next === stream) this.turn = null;
    else {
      prev!.next = next;
      next.prev = prev;
      if (this.turn === stream) this.turn = next;
    }
    stream.next = null;
    stream.prev = null;
  }

  /** Gathers data of the streams, a frame each in turn, until the buffer or the connection's window is full. */
  private fill(): void {
    while (this.turn !== null && this.window > 0 && this.out.length < this.limits.gatherBytes) {
      const stream = this.turn;
      this.turn = stream.next;
      this.sendNext(stream);
    }
  }

  /** One frame of a stream that has data and window. */
  private sendNext(stream: Stream): void {
    if (stream.sendWindow <= 0) {
      // SETTINGS made it smaller since the stream came into the ring; `ready` brings it back.
      this.leave(stream);
      return;
    }
    const queue = stream.queue!;
    const count = Math.min(queue.to - queue.from, this.window, stream.sendWindow, minMaxFrameSize);
    const { bytes, from } = queue;
    const last = count === queue.length;
    if (last || stream.sendWindow === count) this.leave(stream);
    queue.advance(count);
    this.write(stream, bytes, from, from + count, last && stream.sendEnded && stream.trailers === null);
    if (last && stream.trailers !== null) this.headers(stream, stream.trailers, true);
    if (stream.full && queue.length <= this.limits.lowWatermarkBytes) {
      stream.full = false;
      // After the end nobody waits to write.
      if (!stream.sendEnded) stream.handler.onWritable();
    }
  }
}
