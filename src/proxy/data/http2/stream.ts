/**
 * A request on a downstream HTTP/2 connection: translated, given to the router, its answer translated back. Used
 * again for later requests of its connection.
 */
import { getHeader, type HeaderList, removeHeader } from "../../../wire/http/index.ts";
import type { RequestHead, ResponseHead } from "../../../wire/http1/index.ts";
import {
  errorCodes,
  type Http2RequestHead,
  type Http2ServerStream,
  type ResetCause,
  type StreamHandler,
} from "../../../wire/http2/index.ts";
import { beginRequest, endRequest } from "../accounting.ts";
import { Deadlines, requestTimer } from "../deadlines.ts";
import { drainLimitBytes } from "../limits.ts";
import {
  badAuthority,
  forbiddenConnect,
  type LocalReply,
  requestTimeout,
  streamIdle,
  streamIdleUpstream,
} from "../local-reply.ts";
import type { Manager } from "../manager.ts";
import { planRequest } from "../plan.ts";
import { prepareRequest } from "../request-head.ts";
import { prepareResponse, replyHeaders } from "../response-head.ts";
import { Router, type RouterSink } from "../router.ts";
import { type ConnectionInfo, flag, StreamInfo } from "../stream-info.ts";
import type { Timed, TimerEntry } from "../timer-wheel.ts";

/** What the connection does for its streams. */
export interface StreamOwner {
  readonly manager: Manager;
  readonly connection: ConnectionInfo;
  /** The answer was given to the codec: ask `settled` after each flush, until it is. */
  onAnswered(stream: DownstreamStream): void;
  /** Nothing more happens on it. */
  onSettled(stream: DownstreamStream): void;
}

/** Details of a reset by the client, by its cause, as Envoy has them. */
const resetDetails: Readonly<Record<ResetCause, string>> = {
  remote: "http2.remote_reset",
  unprocessed: "http2.remote_refuse",
  fault: "http2.violation.of.messaging.rule",
  connection: "downstream_remote_disconnect",
};

export class DownstreamStream implements RouterSink, StreamHandler, Timed {
  readonly info: StreamInfo;
  private readonly owner: StreamOwner;
  private readonly manager: Manager;
  private readonly router: Router;
  private readonly deadlines: Deadlines;
  private stream: Http2ServerStream | null = null;
  private requestDone = false;
  private responseStarted = false;
  private responseDone = false;
  private logged = false;
  /** The upstream takes no more for now: what comes is passed on, its window is not given back. */
  private congested = false;
  private held = 0;
  private discarded = 0;
  private trailers: HeaderList | undefined;
  private responseTrailers: HeaderList | undefined;
  private idleMs = 0;

  constructor(owner: StreamOwner) {
    this.owner = owner;
    this.manager = owner.manager;
    this.info = new StreamInfo(owner.connection);
    this.router = new Router(this.manager.plane, this);
    this.deadlines = new Deadlines(this, this.manager);
  }

  begin(stream: Http2ServerStream, head: Http2RequestHead, endStream: boolean): void {
    const { manager, info } = this;
    beginRequest(manager, info, true);
    this.stream = stream;
    this.requestDone = endStream;
    this.responseStarted = false;
    this.responseDone = false;
    this.logged = false;
    this.congested = false;
    this.held = 0;
    this.discarded = 0;
    this.trailers = undefined;
    this.responseTrailers = undefined;
    this.idleMs = manager.config.streamIdleTimeoutMs;
    if (endStream) info.requestEnd = 0;
    else this.deadlines.requestBegins();
    this.dispatch(requestOf(head, endStream), endStream);
    this.touch();
  }

  private dispatch(head: RequestHead, endStream: boolean): void {
    const { manager, info } = this;
    const refused = prepareRequest(manager, info, head, "");
    info.version = 20;
    if (refused) {
      this.reply(refused);
      return;
    }
    if (head.method === "CONNECT") {
      this.reply(forbiddenConnect);
      return;
    }
    if (info.authority === "") {
      this.reply(badAuthority);
      return;
    }
    const plan = planRequest(manager, info, head);
    if ("status" in plan) {
      this.reply(plan);
      return;
    }
    const action = info.route?.config.action;
    if (action?.kind === "route" && action.idleTimeoutMs !== undefined) this.idleMs = action.idleTimeoutMs;
    if (head.expectContinue && !endStream) this.stream!.sendInformational(100, []);
    this.router.start(plan, endStream);
  }

  // The request goes on

  onData(chunk: Uint8Array): void {
    const { stream } = this;
    if (stream === null) return;
    this.info.bytesReceived += chunk.length;
    this.touch();
    if (!this.router.active) {
      stream.consume(chunk.length);
      this.discarded += chunk.length;
      if (this.discarded > drainLimitBytes) this.cut(errorCodes.noError);
      return;
    }
    this.held += chunk.length;
    this.router.onBody(chunk);
    // The view holds no longer than this call.
    this.router.onBodyFlush();
    this.giveBack();
  }

  private giveBack(): void {
    if (this.congested || this.held === 0) return;
    const count = this.held;
    this.held = 0;
    this.stream?.consume(count);
  }

  onTrailers(trailers: HeaderList): void {
    this.trailers = trailers;
  }

  onEnd(): void {
    if (this.requestDone || this.stream === null) return;
    this.requestDone = true;
    this.info.requestEnd = this.manager.plane.clock.now() - this.info.start;
    this.deadlines.requestEnds();
    if (this.router.active) this.router.onRequestEnd(this.trailers);
    this.touch();
  }

  onReset(code: number, cause: ResetCause): void {
    if (this.stream === null) return;
    const { info } = this;
    this.router.cancel();
    if (!this.logged) {
      info.flags |= cause === "fault" ? flag.downstreamProtocolError : flag.downstreamTermination;
      info.details =
        cause === "remote" && code === errorCodes.refusedStream
          ? resetDetails.unprocessed
          : resetDetails[cause];
      if (!this.responseStarted) info.status = 0;
      this.record();
    }
    this.settle();
  }

  onWritable(): void {
    this.router.pauseResponse(false);
    this.touch();
  }

  // Of clients' sides only
  onInformational(): void {}
  onResponse(): void {}

  // The answer

  onRouterInformational(head: ResponseHead): void {
    if (head.status !== 100 && head.status !== 101) this.stream?.sendInformational(head.status, head.headers);
  }

  onRouterResponse(head: ResponseHead, endStream: boolean): void {
    const { info } = this;
    prepareResponse(this.manager, info, head);
    info.status = head.status;
    if (info.details === "") info.details = "via_upstream";
    this.responseStarted = true;
    const { headers } = head;
    if (head.contentLength >= 0 && head.status !== 204)
      headers.push("content-length", `${head.contentLength}`);
    this.stream?.sendResponse(head.status, headers, endStream);
  }

  onRouterData(chunk: Uint8Array): void {
    this.info.bytesSent += chunk.length;
    if (this.stream?.sendData(chunk, false) === false) this.router.pauseResponse(true);
  }

  onRouterTrailers(trailers: HeaderList): void {
    this.responseTrailers = trailers;
  }

  onRouterFlush(): void {
    this.touch();
  }

  onRouterEnd(): void {
    const { stream, responseTrailers } = this;
    if (stream !== null && !stream.sendEnded) {
      if (responseTrailers) stream.sendTrailers(responseTrailers);
      else stream.end();
    }
    this.responseEnded();
  }

  onRouterFailure(reply: LocalReply): void {
    const { info } = this;
    if (!this.responseStarted) {
      this.reply(reply);
      return;
    }
    // An answer that broke off must never look complete.
    info.flags |= reply.flags;
    info.details = reply.details.replace("before_response_started", "after_response_started");
    this.record();
    this.cut(errorCodes.internalError);
  }

  onRouterCongestion(congested: boolean): void {
    this.congested = congested;
    this.giveBack();
  }

  private reply(reply: LocalReply): void {
    const { info, manager } = this;
    info.status = reply.status;
    info.flags |= reply.flags;
    info.details = reply.details;
    const headers = replyHeaders(manager, info, reply);
    info.responseHeaders = headers;
    this.responseStarted = true;
    const bodiless = reply.status === 204 || reply.status === 304;
    if (!bodiless) headers.push("content-length", `${reply.body.length}`);
    const none = bodiless || info.method === "HEAD" || reply.body === "";
    this.stream!.sendResponse(reply.status, headers, none);
    if (!none) {
      this.stream!.sendData(Buffer.from(reply.body, "latin1"), true);
      info.bytesSent = reply.body.length;
    }
    this.responseEnded();
  }

  private responseEnded(): void {
    this.responseDone = true;
    this.record();
    // What is left of the request is dropped: its window must not stay taken.
    this.congested = false;
    this.giveBack();
    this.owner.onAnswered(this);
  }

  /**
   * Whether all is over, asked once the codec has flushed. A request that was answered before its end is told to
   * stop when its answer has left (RFC 9113 section 8.1).
   */
  settled(): boolean {
    const { stream } = this;
    if (stream === null) return true;
    if (!stream.closed && (stream.queuedBytes > 0 || this.requestDone)) return false;
    stream.reset(errorCodes.noError);
    this.settle();
    return true;
  }

  private cut(code: number): void {
    this.stream?.reset(code);
    this.settle();
  }

  private settle(): void {
    if (this.stream === null) return;
    this.stream = null;
    this.deadlines.requestEnds();
    this.deadlines.stream(0);
    this.owner.onSettled(this);
  }

  private record(): void {
    if (this.logged) return;
    this.logged = true;
    endRequest(this.manager, this.info);
  }

  private touch(): void {
    if (this.stream !== null) this.deadlines.stream(this.idleMs);
  }

  onTimer(entry: TimerEntry): void {
    if (this.stream === null) return;
    this.router.cancel();
    // The client does not read its answer.
    if (this.responseDone) this.cut(errorCodes.noError);
    else if (entry.kind === requestTimer) this.onRouterFailure(requestTimeout);
    else this.onRouterFailure(this.requestDone ? streamIdleUpstream : streamIdle);
  }

  /** The connection ends: its timers leave the wheel. */
  dispose(): void {
    this.deadlines.drop();
    this.router.dispose();
  }
}

/** As a HTTP/1.1 head, which is what manager and router work on. */
function requestOf(head: Http2RequestHead, endStream: boolean): RequestHead {
  const { headers, method, contentLength } = head;
  if (contentLength >= 0) removeHeader(headers, "content-length");
  if (head.authority !== "") headers.unshift("host", head.authority);
  return {
    method,
    target: method === "CONNECT" ? head.authority : head.path,
    version: 11,
    headers,
    contentLength,
    chunked: contentLength < 0 && !endStream,
    keepAlive: true,
    expectContinue: getHeader(headers, "expect")?.toLowerCase() === "100-continue",
    upgrade: null,
  };
}
