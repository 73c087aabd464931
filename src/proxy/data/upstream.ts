/** One upstream HTTP/1.1 connection: it belongs to a pool, serves one request at a time and tells its user. */

import type { HeaderList } from "../../wire/http/index.ts";
import {
  type Http1Error,
  type ResponseHandler,
  type ResponseHead,
  ResponseParser,
} from "../../wire/http1/index.ts";
import type { TlsInfo, TlsRefusal } from "../../wire/tls/index.ts";
import { highWatermarkBytes, lowWatermarkBytes } from "./limits.ts";
import type { TryFailure } from "./retry-policy.ts";
import type { Runtime } from "./runtime.ts";
import type { Socket, SocketSlot, SocketUser } from "./socket.ts";
import { type Timed, TimerEntry } from "./timer-wheel.ts";
import type { Transport } from "./transport.ts";
import { Writer } from "./writer.ts";

/** Who has a request on the connection. */
export interface UpstreamUser {
  onInformational(head: ResponseHead): void;
  onResponse(head: ResponseHead, endStream: boolean): void;
  onResponseData(chunk: Uint8Array): void;
  onResponseTrailers(trailers: HeaderList): void;
  /** All events of one read were given: time to flush. */
  onResponseFlush(): void;
  /** The response is complete; the connection is no longer the user's. */
  onResponseEnd(): void;
  /** The connection is gone, with or without an answer begun. */
  onUpstreamReset(failure: TryFailure, detail: string): void;
  /** What was sent has drained. */
  onUpstreamDrain(): void;
}

/** The connection's owner. */
export interface UpstreamOwner {
  readonly runtime: Runtime;
  onConnected(connection: Upstream): void;
  /** Failed before it was usable. */
  onConnectFailed(connection: Upstream, failure: TryFailure, detail: string): void;
  /** A request is over and the connection may serve the next one. */
  onReusable(connection: Upstream): void;
  /** Closed after it was usable. */
  onGone(connection: Upstream, hadRequest: boolean): void;
  readonly transport: Transport;
  readonly idleTimeoutMs: number;
  readonly maxRequests: number;
  /** Age from which a connection carries no further request; 0: none. */
  readonly maxDurationMs: number;
}

const connectTimer = 0;

export class Upstream implements ResponseHandler, SocketUser, SocketSlot, Timed {
  readonly user: this = this;
  readonly owner: UpstreamOwner;
  readonly writer = new Writer();
  /** Requests begun on this connection. */
  requests = 0;
  /** Among the pool's idle ones. */
  idle = false;
  /** Counted by the pool as carrying a request. */
  attached = false;
  principal = "";
  /** The peer is the mesh's: see Transport.trusts. */
  trusted = false;
  localAddress = "";
  /** When it carries no further request. */
  private until = Number.POSITIVE_INFINITY;
  private state: "connecting" | "open" | "closed" = "connecting";
  private holder: UpstreamUser | null = null;
  private readonly parser: ResponseParser;
  private readonly timer: TimerEntry;
  private cancelDial: (() => void) | null = null;
  private requestDone = false;
  private answered = false;
  private ended = false;
  private feeding = false;
  private keepAlive = true;
  private paused = false;

  constructor(owner: UpstreamOwner) {
    this.owner = owner;
    this.parser = new ResponseParser(this);
    this.timer = new TimerEntry(this, connectTimer);
  }

  get closed(): boolean {
    return this.state === "closed";
  }

  /** Starts the connect time-out; `cancel` ends the attempt. */
  dialing(timeoutMs: number, cancel: () => void): void {
    this.cancelDial = cancel;
    if (timeoutMs > 0) this.owner.runtime.wheel.arm(this.timer, timeoutMs);
  }

  // Requests

  /** Gives the connection to a user; `method` decides the framing of the answer. */
  begin(user: UpstreamUser, method: string): void {
    this.holder = user;
    this.requests++;
    this.requestDone = false;
    this.answered = false;
    this.ended = false;
    this.keepAlive = true;
    this.owner.runtime.wheel.disarm(this.timer);
    this.resume();
    this.parser.expect(method);
  }

  /** The request's last byte was given to the writer. */
  finishRequest(): void {
    this.requestDone = true;
    if (this.ended && !this.feeding) this.complete();
  }

  /** Nothing of the answer has come. */
  get unanswered(): boolean {
    return !this.answered;
  }

  /** The user takes no more interest: the connection closes unless its answer is complete. */
  abandon(): void {
    this.holder = null;
    if (this.feeding) {
      // The rest of this very read may complete the answer: then the connection can be kept.
      this.keepAlive = this.keepAlive && this.requestDone;
      return;
    }
    this.close();
  }

  pause(): void {
    if (this.paused || this.state !== "open") return;
    this.paused = true;
    this.writer.socket?.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.state === "open") this.writer.socket?.resume();
  }

  /** Whether the request's source should stop for now. */
  get congested(): boolean {
    return this.writer.queued > highWatermarkBytes;
  }

  armIdle(): void {
    const { idleTimeoutMs, runtime } = this.owner;
    const now = runtime.clock.now();
    const at = Math.min(idleTimeoutMs > 0 ? now + idleTimeoutMs : Number.POSITIVE_INFINITY, this.until);
    if (at !== Number.POSITIVE_INFINITY) runtime.wheel.armAt(this.timer, at);
  }

  close(): void {
    if (this.state === "closed") return;
    const was = this.state;
    const had = this.holder !== null;
    this.state = "closed";
    this.holder = null;
    this.owner.runtime.wheel.remove(this.timer);
    this.writer.discard();
    if (was === "connecting") {
      this.cancelDial?.();
      this.owner.onConnectFailed(this, "connect-failure", "cancelled");
    } else {
      this.writer.socket?.terminate();
      this.owner.onGone(this, had);
    }
  }

  // Socket events

  onOpen(socket: Socket, tls: TlsInfo | null): void {
    if (this.state === "closed") {
      socket.terminate();
      return;
    }
    this.owner.runtime.wheel.disarm(this.timer);
    this.writer.socket = socket;
    this.state = "open";
    this.principal = tls?.principal ?? "";
    this.trusted = this.owner.transport.trusts(tls);
    this.localAddress = socket.localAddress;
    const { maxDurationMs, runtime } = this.owner;
    if (maxDurationMs > 0) this.until = runtime.clock.now() + maxDurationMs;
    this.owner.onConnected(this);
  }

  onRefused(refusal: TlsRefusal): void {
    this.failConnect(
      "connect-failure",
      `${refusal.code === "tls.connect" ? "" : `${refusal.code}: `}${refusal.detail}`,
    );
  }

  onTimer(): void {
    if (this.state === "connecting") {
      this.failConnect("connect-timeout", "connection timeout");
      this.cancelDial?.();
    } else if (this.holder === null) {
      this.close();
    }
  }

  private failConnect(failure: TryFailure, detail: string): void {
    if (this.state !== "connecting") return;
    this.state = "closed";
    this.owner.runtime.wheel.remove(this.timer);
    this.owner.onConnectFailed(this, failure, detail);
  }

  onBytes(bytes: Uint8Array): void {
    if (this.state !== "open") return;
    // Bytes with no request: an unsolicited answer; never keep such a connection (HARDENING 12).
    if (this.holder === null) {
      this.close();
      return;
    }
    this.answered = true;
    const { clock } = this.owner.runtime;
    clock.hold();
    try {
      this.feeding = true;
      const error = this.parser.feed(bytes);
      this.feeding = false;
      this.settle(error);
    } finally {
      clock.release();
    }
  }

  /** After a read: complete, flush, or fail. */
  private settle(error: Http1Error | null): void {
    if (this.closed) return;
    if (error !== null) {
      this.keepAlive = false;
      if (this.ended) this.complete();
      else this.fail("protocol-error", error.code);
      return;
    }
    if (this.ended) {
      this.complete();
      return;
    }
    if (this.holder === null) this.close();
    else this.holder.onResponseFlush();
  }

  /** The response is complete. The connection is given back first: the user may want it for its next request. */
  private complete(): void {
    const user = this.holder;
    if (!this.requestDone) {
      // Answered before the request ended: what is left of it must not reach the next answer.
      this.holder = null;
      this.close();
    } else {
      this.holder = null;
      const spent =
        (this.owner.maxRequests > 0 && this.requests >= this.owner.maxRequests) ||
        (this.until !== Number.POSITIVE_INFINITY && this.owner.runtime.clock.now() >= this.until);
      if (this.keepAlive && !spent && this.parser.reusable) this.owner.onReusable(this);
      else this.close();
    }
    user?.onResponseEnd();
  }

  onDrain(): void {
    const before = this.writer.queued;
    this.writer.drain();
    if (before > lowWatermarkBytes && this.writer.queued <= lowWatermarkBytes) this.holder?.onUpstreamDrain();
  }

  onFin(): void {
    if (this.state !== "open") return;
    if (this.holder === null) {
      this.close();
      return;
    }
    this.feeding = true;
    const error = this.parser.eof();
    this.feeding = false;
    this.keepAlive = false;
    if (error === null && this.ended) this.complete();
    else this.fail("reset", "connection termination");
  }

  onClosed(): void {
    if (this.state !== "open") {
      if (this.state === "connecting") this.failConnect("connect-failure", "connection closed");
      return;
    }
    if (this.holder === null) this.close();
    else this.fail("reset", "connection termination");
  }

  private fail(failure: TryFailure, detail: string): void {
    const user = this.holder;
    this.close();
    user?.onUpstreamReset(failure, detail);
  }

  // Parser events

  onInformational(head: ResponseHead): void {
    this.holder?.onInformational(head);
  }

  onResponse(head: ResponseHead, endStream: boolean): void {
    if (!head.keepAlive) this.keepAlive = false;
    this.holder?.onResponse(head, endStream);
  }

  onData(chunk: Uint8Array): void {
    this.holder?.onResponseData(chunk);
  }

  onTrailers(trailers: HeaderList): void {
    this.holder?.onResponseTrailers(trailers);
  }

  onEnd(): void {
    this.ended = true;
  }
}
