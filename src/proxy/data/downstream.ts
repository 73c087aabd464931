/**
 * A downstream HTTP/1.1 connection: parser, one request at a time, its answer. The upstream half is router.ts.
 *
 *   idle -> head -> active (request | response) -> idle ...      any -> closing -> gone
 */
import type { HeaderList } from "../../wire/http/index.ts";
import {
  continueResponse,
  encodeResponseHead,
  type Framing,
  type Http1Error,
  type RequestHandler,
  type RequestHead,
  RequestParser,
  type ResponseHead,
} from "../../wire/http1/index.ts";
import { beginRequest, endRequest } from "./accounting.ts";
import { Answer } from "./answer.ts";
import { Deadlines, requestTimer } from "./deadlines.ts";
import { drainLimitBytes, highWatermarkBytes, lowWatermarkBytes, pipelinedHoldBytes } from "./limits.ts";
import {
  headersTimeout,
  type LocalReply,
  protocolError,
  requestTimeout,
  streamIdle,
  streamIdleUpstream,
} from "./local-reply.ts";
import type { Manager } from "./manager.ts";
import { planRequest } from "./plan.ts";
import { ReadGate, stopCongested, stopPipelined } from "./reading.ts";
import { prepareRequest } from "./request-head.ts";
import { prepareResponse, replyHeaders, responseFraming } from "./response-head.ts";
import { Router, type RouterSink } from "./router.ts";
import type { Socket, SocketUser } from "./socket.ts";
import { type ConnectionInfo, flag, StreamInfo } from "./stream-info.ts";
import type { Timed, TimerEntry } from "./timer-wheel.ts";
import { Writer } from "./writer.ts";

/** What the owner of a connection does for it. */
export interface DownstreamOwner {
  /** The connection is over. */
  onGone(connection: HttpDownstream): void;
  /** A CONNECT request was let in: who takes the socket over. Null: tunnels are refused here. */
  openTunnel(connection: HttpDownstream, authority: string): SocketUser | LocalReply;
}

export class HttpDownstream implements RequestHandler, SocketUser, RouterSink, Timed {
  readonly info: StreamInfo;
  readonly manager: Manager;
  readonly writer = new Writer();
  private readonly answer = new Answer(this.writer);
  private readonly owner: DownstreamOwner;
  private readonly parser: RequestParser;
  private readonly router: Router;
  private readonly gate: ReadGate;
  private readonly deadlines: Deadlines;
  /** Authority of the tunnel that this connection came in; "" for none. */
  private readonly pinned: string;
  private tunnel: SocketUser | null = null;
  /** A request is being served. */
  private active = false;
  private requestDone = false;
  private responseStarted = false;
  private responseDone = false;
  private logged = false;
  private closing = false;
  private gone = false;
  private closeAfter = false;
  private draining = false;
  /** The client sends no more. */
  private finished = false;
  /** The next request waits until the client has read its answers. */
  private nextDue = false;
  private discarded = 0;
  private trailers: HeaderList | undefined;
  private requests = 0;
  private idleMs: number;

  constructor(
    manager: Manager,
    socket: Socket,
    options: {
      readonly connection: ConnectionInfo;
      readonly owner: DownstreamOwner;
      readonly pinned?: string;
    },
  ) {
    this.manager = manager;
    this.owner = options.owner;
    this.pinned = options.pinned ?? "";
    this.writer.socket = socket;
    this.gate = new ReadGate(socket);
    this.info = new StreamInfo(options.connection);
    this.parser = new RequestParser(this, manager.limits);
    this.router = new Router(manager.plane, this);
    this.deadlines = new Deadlines(this, manager);
    this.idleMs = manager.config.streamIdleTimeoutMs;
    this.deadlines.idle();
  }

  onOpen(): void {} // It was open before this object was made.

  onRefused(): void {}

  onBytes(bytes: Uint8Array): void {
    if (this.tunnel) {
      this.tunnel.onBytes(bytes);
      return;
    }
    if (this.closing) return;
    this.manager.plane.clock.hold();
    try {
      this.settle(this.parser.feed(bytes));
    } finally {
      this.manager.plane.clock.release();
    }
  }

  /** After events of the parser: errors, flushes, timers, reading on or not. */
  private settle(error: Http1Error | null): void {
    if (error !== null && !this.closing) {
      this.onParseError(error);
      return;
    }
    if (this.gone || this.tunnel) return;
    this.router.onBodyFlush();
    this.writer.flush();
    if (this.active) this.touch();
    else if (!this.closing && !this.nextDue) this.between();
    this.gate.set(stopPipelined, this.parser.buffered > pipelinedHoldBytes);
  }

  /** No request is being served: the head of one has begun, or the connection is idle. */
  private between(): void {
    if (!this.parser.idle) this.deadlines.head();
    else if (this.deadlines.headBegun) this.deadlines.idle();
  }

  onDrain(): void {
    if (this.tunnel) this.tunnel.onDrain();
    else this.drained();
  }

  private drained(): void {
    const before = this.writer.queued;
    this.writer.drain();
    const { queued } = this.writer;
    if (before !== queued && (this.active || queued > 0)) this.deadlines.stream(this.idleMs);
    if (queued <= lowWatermarkBytes) {
      if (before > lowWatermarkBytes) this.router.pauseResponse(false);
      if (this.nextDue) this.proceed();
    }
    if (queued === 0 && this.closing && before > 0) this.shutdown();
  }

  onFin(): void {
    this.finished = true;
    if (this.tunnel) this.tunnel.onFin();
    // Envoy takes the client's FIN for a disconnect: nobody may be there to read the answer.
    else if (this.active) this.abort();
    // A whole answer that is on its way still goes out.
    else if (this.writer.queued > 0) this.closeSoon();
    else this.end();
  }

  onClosed(): void {
    if (this.tunnel) {
      this.tunnel.onClosed();
      this.leave();
      return;
    }
    if (this.active && !this.logged) this.abort();
    this.leave();
  }

  /** The client went away in the middle. */
  private abort(): void {
    const { info } = this;
    this.router.cancel();
    if (!this.logged) {
      info.flags |= flag.downstreamTermination;
      info.details = "downstream_remote_disconnect";
      if (!this.responseStarted) info.status = 0;
      this.record();
    }
    this.active = false;
    this.end();
  }

  /** Closes at once. */
  private end(): void {
    if (this.gone) return;
    this.parser.close();
    this.writer.discard();
    const { socket } = this.writer;
    this.leave();
    socket?.terminate();
  }

  private leave(): void {
    if (this.gone) return;
    this.gone = true;
    this.closing = true;
    this.deadlines.drop();
    this.router.cancel();
    this.router.dispose();
    this.owner.onGone(this);
  }

  onRequest(head: RequestHead, endStream: boolean): void {
    const { manager, info } = this;
    this.open(true);
    this.requestDone = endStream;
    this.discarded = 0;
    this.trailers = undefined;
    this.requests++;
    const { maxRequestsPerConnection: most } = manager.config;
    this.closeAfter =
      this.draining || !head.keepAlive || manager.draining || (most > 0 && this.requests >= most);
    this.idleMs = manager.config.streamIdleTimeoutMs;
    if (endStream) info.requestEnd = 0;
    else this.deadlines.requestBegins();
    this.dispatch(head, endStream);
  }

  private open(counted: boolean): void {
    beginRequest(this.manager, this.info, counted);
    this.active = true;
    this.responseStarted = false;
    this.responseDone = false;
    this.logged = false;
  }

  private dispatch(head: RequestHead, endStream: boolean): void {
    const { manager, info } = this;
    const refused = prepareRequest(manager, info, head, this.pinned);
    // A client that waits for 100 and gets a final answer may or may not send its body: nothing behind is certain.
    if (refused) {
      this.reply(refused, head.expectContinue);
      return;
    }
    if (head.method === "CONNECT") {
      this.connect(info.authority);
      return;
    }
    const plan = planRequest(manager, info, head);
    if ("status" in plan) {
      this.reply(plan, head.expectContinue);
      return;
    }
    const idle =
      info.route?.config.action.kind === "route" ? info.route.config.action.idleTimeoutMs : undefined;
    if (idle !== undefined) this.idleMs = idle;
    if (head.expectContinue && !endStream) {
      this.writer.text(continueResponse);
      this.writer.flush();
    }
    this.router.start(plan, endStream);
  }

  private connect(authority: string): void {
    const next = this.owner.openTunnel(this, authority);
    if ("status" in next) {
      this.reply(next, false);
      return;
    }
    this.writer.text("HTTP/1.1 200 Connection established\r\n\r\n");
    this.writer.flush();
    this.info.status = 200;
    this.info.details = "via_upstream";
    this.record();
    this.active = false;
    this.deadlines.drop();
    this.tunnel = next;
    const held = this.parser.upgraded();
    if (held.length > 0) next.onBytes(held);
  }

  onData(chunk: Uint8Array): void {
    if (this.tunnel) {
      this.tunnel.onBytes(chunk);
      return;
    }
    if (this.closing) return;
    this.info.bytesReceived += chunk.length;
    if (this.router.active) {
      this.router.onBody(chunk);
      return;
    }
    // Answered already: the rest of the body is read and dropped, up to a limit.
    this.discarded += chunk.length;
    if (this.discarded > drainLimitBytes) this.closeSoon();
  }

  onTrailers(trailers: HeaderList): void {
    this.trailers = trailers;
  }

  onEnd(): void {
    if (this.requestDone || this.closing || this.tunnel) return;
    this.requestDone = true;
    this.info.requestEnd = this.manager.plane.clock.now() - this.info.start;
    this.deadlines.requestEnds();
    if (this.router.active) this.router.onRequestEnd(this.trailers);
    if (this.responseDone) this.next();
  }

  private onParseError(error: Http1Error): void {
    const { plane, slots } = this.manager;
    plane.metrics.row[slots.protocolErrors]!++;
    this.breakOff(protocolError(error));
  }

  // Answers

  onRouterInformational(head: ResponseHead): void {
    if (this.info.version === 10 || head.status === 100) return;
    this.writer.text(encodeResponseHead(head.status, head.headers, { kind: "none" }));
  }

  onRouterResponse(head: ResponseHead, endStream: boolean): void {
    const { info, manager } = this;
    prepareResponse(manager, info, head);
    info.status = head.status;
    if (info.details === "") info.details = "via_upstream";
    this.responseStarted = true;
    if (manager.draining) this.closeAfter = true;
    const framing = responseFraming(info, head);
    if (framing.kind === "none" && !endStream) this.closeAfter = true;
    this.writeHead(head.status, head.headers, framing, !endStream);
  }

  private writeHead(status: number, headers: HeaderList, framing: Framing, body: boolean): void {
    const version = this.info.version === 10 ? 10 : 11;
    this.answer.head(status, headers, { framing, close: this.closeAfter, version, body });
  }

  onRouterData(chunk: Uint8Array): void {
    this.info.bytesSent += chunk.length;
    this.answer.data(chunk);
  }

  onRouterTrailers(trailers: HeaderList): void {
    this.answer.setTrailers(trailers);
  }

  onRouterFlush(): void {
    this.writer.flush();
    this.touch();
    if (this.writer.queued > highWatermarkBytes) this.router.pauseResponse(true);
  }

  onRouterEnd(): void {
    this.answer.end();
    this.responseEnded();
    this.writer.flush();
  }

  onRouterFailure(reply: LocalReply): void {
    const { info } = this;
    if (this.responseStarted) {
      // An answer that broke off must never look complete.
      info.flags |= reply.flags;
      info.details = reply.details.replace("before_response_started", "after_response_started");
      this.record();
      this.active = false;
      this.writer.flush();
      this.end();
      return;
    }
    this.reply(reply, false);
    this.writer.flush();
  }

  onRouterCongestion(congested: boolean): void {
    if (!this.gone) this.gate.set(stopCongested, congested);
  }

  /** A local answer: the only place where one is written. */
  private reply(reply: LocalReply, unsure: boolean): void {
    const { info, manager } = this;
    info.status = reply.status;
    info.flags |= reply.flags;
    info.details = reply.details;
    if (reply.close || manager.draining || unsure) this.closeAfter = true;
    const headers = replyHeaders(manager, info, reply);
    info.responseHeaders = headers;
    this.responseStarted = true;
    const bodiless = reply.status === 204 || reply.status === 304;
    const framing: Framing = bodiless ? { kind: "none" } : { kind: "length", length: reply.body.length };
    this.writeHead(reply.status, headers, framing, false);
    if (info.method !== "HEAD" && !bodiless) {
      this.writer.text(reply.body);
      info.bytesSent = reply.body.length;
    }
    this.responseEnded();
  }

  /** The answer is written: log, then the next request or the end. */
  private responseEnded(): void {
    this.responseDone = true;
    this.record();
    if (this.requestDone) this.next();
    else if (this.closeAfter) this.closeSoon();
  }

  private record(): void {
    if (this.logged) return;
    this.logged = true;
    endRequest(this.manager, this.info);
  }

  /** Request and answer are complete. */
  private next(): void {
    this.active = false;
    if (this.closeAfter) {
      this.closeSoon();
      return;
    }
    // A client that asks and asks and does not read gets its next answer when it has read.
    if (this.writer.waiting > highWatermarkBytes) this.writer.flush();
    if (this.writer.queued > highWatermarkBytes) {
      this.nextDue = true;
      this.gate.stop(stopPipelined);
      this.deadlines.stream(this.idleMs);
    } else {
      this.proceed();
    }
  }

  private proceed(): void {
    this.nextDue = false;
    this.deadlines.idle();
    this.gate.go(stopCongested);
    const held = this.parser.buffered > 0;
    const error = this.parser.next();
    if (held || error !== null) this.settle(error);
    else this.gate.go(stopPipelined);
  }

  /** Closes once everything is written, after the peer had time to read it. */
  private closeSoon(): void {
    if (this.closing) return;
    this.closing = true;
    this.active = false;
    this.parser.close();
    this.writer.flush();
    this.gate.go(stopCongested | stopPipelined);
    if (this.writer.queued === 0) this.shutdown();
    else this.deadlines.stream(this.idleMs);
  }

  private shutdown(): void {
    if (this.gone) return;
    this.writer.socket?.shutdown();
    if (this.finished) this.end();
    else this.deadlines.close();
  }

  /** Draining: an idle connection closes now, a busy one after its answer. */
  drain(): void {
    if (this.tunnel) {
      this.tunnel.drain?.();
      return;
    }
    this.closeAfter = true;
    this.draining = true;
    if (!this.active && this.parser.idle) this.closeSoon();
  }

  /** The deadline of a drain. */
  kill(): void {
    if (this.active) this.abort();
    else this.end();
  }

  private touch(): void {
    if (this.active) this.deadlines.stream(this.idleMs);
  }

  onTimer(entry: TimerEntry): void {
    // What the kernel still holds goes out after a plain close; nothing more is kept here for a reader that stalls.
    if (this.closing && this.writer.queued === 0) this.writer.socket?.end();
    if (this.closing || (!this.active && !this.deadlines.headBegun)) this.end();
    else if (!this.active) this.breakOff(headersTimeout);
    else if (entry.kind === requestTimer) this.breakOff(requestTimeout);
    else this.breakOff(this.requestDone ? streamIdleUpstream : streamIdle);
  }

  /** Answers, if it is not too late, whatever the request was at, and closes. */
  private breakOff(reply: LocalReply): void {
    if (!this.active) this.open(false);
    this.requestDone = true;
    this.router.cancel();
    if (this.responseDone) this.closeSoon();
    else this.onRouterFailure(reply);
  }
}
