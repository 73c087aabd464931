/**
 * A downstream HTTP/2 connection: the codec, its streams, its end.
 *
 *   serving -> (GOAWAY) draining -> leaving (all was written, the peer reads it) -> gone
 */
import {
  defaultHttp2Limits,
  errorCodes,
  type Http2Error,
  type Http2Limits,
  type Http2RequestHead,
  type Http2ServerStream,
  ServerConnection,
  type ServerHandler,
  type StreamHandler,
} from "../../../wire/http2/index.ts";
import { delayedCloseMs, http2CheckMs, spareStreams } from "../limits.ts";
import type { Manager } from "../manager.ts";
import type { Socket, SocketUser } from "../socket.ts";
import type { ConnectionInfo } from "../stream-info.ts";
import { type Timed, TimerEntry } from "../timer-wheel.ts";
import { DownstreamStream, type StreamOwner } from "./stream.ts";

const idleTimer = 0;
const checkTimer = 1;

/** What the owner of a connection does for it. */
export interface Http2DownstreamOwner {
  onGone(connection: Http2Downstream): void;
}

function limitsOf(manager: Manager): Http2Limits {
  const { config } = manager;
  return {
    ...defaultHttp2Limits,
    maxHeaderListBytes: config.maxHeaderBytes,
    maxHeaderBlockBytes: Math.max(2 * config.maxHeaderBytes, defaultHttp2Limits.maxHeaderBlockBytes),
    maxHeaderCount: config.maxHeaderCount,
    headerBlockTimeoutMs: config.requestHeadersTimeoutMs || Number.POSITIVE_INFINITY,
    ...config.http2,
  };
}

export class Http2Downstream implements SocketUser, ServerHandler, StreamOwner, Timed {
  readonly manager: Manager;
  readonly connection: ConnectionInfo;
  private readonly owner: Http2DownstreamOwner;
  private readonly socket: Socket;
  private readonly codec: ServerConnection;
  private readonly idle = new TimerEntry(this, idleTimer);
  private readonly checking = new TimerEntry(this, checkTimer);
  /** Streams whose answer is with the codec, and objects that serve again. */
  private answered: DownstreamStream[] = [];
  private readonly spare: DownstreamStream[] = [];
  private requests = 0;
  private inEvent = false;
  private leaving = false;
  private gone = false;
  private readonly flushSoon = (): void => this.flush();

  constructor(
    manager: Manager,
    socket: Socket,
    options: { readonly connection: ConnectionInfo; readonly owner: Http2DownstreamOwner },
  ) {
    this.manager = manager;
    this.socket = socket;
    this.connection = options.connection;
    this.owner = options.owner;
    this.codec = new ServerConnection({
      handler: this,
      clock: manager.plane.clock,
      limits: limitsOf(manager),
      output: {
        write: (bytes) => this.socket.write(bytes),
        // Within an event of the socket, its end flushes; what upstreams bring goes out together behind theirs.
        onUnflushed: () => {
          if (!this.inEvent) queueMicrotask(this.flushSoon);
        },
      },
    });
    this.armIdle();
    manager.plane.wheel.arm(this.checking, http2CheckMs);
    if (manager.draining) this.codec.shutdown();
    queueMicrotask(this.flushSoon);
  }

  // Socket

  onOpen(): void {} // It was open before this object was made.

  onRefused(): void {}

  onBytes(bytes: Uint8Array): void {
    if (this.leaving) return;
    const { clock, wheel } = this.manager.plane;
    clock.hold();
    this.inEvent = true;
    try {
      this.codec.feed(bytes);
      this.flush();
    } finally {
      this.inEvent = false;
      clock.release();
    }
    if (this.codec.timed && !this.gone && this.checking.deadline === Number.POSITIVE_INFINITY)
      wheel.arm(this.checking, http2CheckMs);
  }

  private flush(): void {
    if (this.gone) return;
    const { codec } = this;
    codec.flush();
    if (this.answered.length === 0) return;
    const left = this.answered.filter((stream) => !stream.settled());
    this.answered = left;
    codec.flush();
  }

  onDrain(): void {
    if (this.gone) return;
    this.codec.drained();
    this.flush();
  }

  onFin(): void {
    this.codec.close();
    this.leave();
    this.socket.end();
  }

  onClosed(): void {
    this.codec.close();
    this.leave();
  }

  // Codec

  onRequest(stream: Http2ServerStream, head: Http2RequestHead, endStream: boolean): StreamHandler {
    const { manager } = this;
    manager.plane.wheel.disarm(this.idle);
    this.requests++;
    const { maxRequestsPerConnection: most } = manager.config;
    if ((most > 0 && this.requests >= most) || manager.draining) this.codec.shutdown();
    const served = this.spare.pop() ?? new DownstreamStream(this);
    served.begin(stream, head, endStream);
    return served;
  }

  onSettings(): void {}

  onPong(): void {}

  /** The client will open no more streams. */
  onGoaway(): void {
    this.codec.shutdown();
    if (this.codec.activeStreams === 0) this.closeSoon();
  }

  onStreamFault(error: Http2Error): void {
    this.fault("a HTTP/2 stream was reset", error);
  }

  onIdle(): void {
    if (this.codec.closing) this.closeSoon();
    else this.armIdle();
  }

  onError(error: Http2Error): void {
    this.fault("a HTTP/2 connection was closed", error);
    this.closeSoon();
  }

  /** The peer's mistake: counted and logged. */
  private fault(message: string, { reason, detail }: Http2Error): void {
    const { plane, slots, listener } = this.manager;
    plane.metrics.row[slots.protocolErrors]!++;
    plane.post({ kind: "log", level: "debug", message, fields: { listener, reason, detail } });
  }

  // Streams

  onAnswered(stream: DownstreamStream): void {
    this.answered.push(stream);
    if (!this.inEvent) queueMicrotask(this.flushSoon);
  }

  onSettled(stream: DownstreamStream): void {
    if (this.spare.length < spareStreams && !this.gone) this.spare.push(stream);
    else stream.dispose();
  }

  // End

  private armIdle(): void {
    const ms = this.manager.config.idleTimeoutMs;
    if (ms > 0 && !this.gone) this.manager.plane.wheel.arm(this.idle, ms);
  }

  /** No stream is left: what was written goes out, the peer has a while to read it. */
  private closeSoon(): void {
    if (this.leaving) return;
    this.leaving = true;
    this.manager.plane.wheel.arm(this.idle, delayedCloseMs);
    queueMicrotask(() => {
      if (this.gone) return;
      this.codec.flush();
      if (this.codec.queuedBytes === 0) this.socket.shutdown();
    });
  }

  private leave(): void {
    if (this.gone) return;
    this.gone = true;
    this.leaving = true;
    const { wheel } = this.manager.plane;
    wheel.remove(this.idle);
    wheel.remove(this.checking);
    for (const stream of this.spare) stream.dispose();
    this.owner.onGone(this);
  }

  /** Draining: GOAWAY; the connection ends with its last stream. */
  drain(): void {
    this.codec.shutdown();
  }

  /** The deadline of a drain. */
  kill(): void {
    this.codec.abort(errorCodes.noError, "");
    this.leave();
    this.socket.terminate();
  }

  onTimer(entry: TimerEntry): void {
    if (this.gone) return;
    if (entry.kind === checkTimer) {
      this.codec.check();
      // Peers that do not answer the PING of a graceful end are not waited for.
      if (this.codec.closing) this.codec.finishShutdown();
      if (!this.gone && (this.codec.timed || this.codec.closing))
        this.manager.plane.wheel.arm(this.checking, http2CheckMs);
      return;
    }
    if (!this.leaving) {
      this.codec.shutdown();
      this.codec.finishShutdown();
      this.closeSoon();
      return;
    }
    this.codec.close();
    this.leave();
    this.socket.end();
  }
}
