/**
 * The upstream half of a request: cluster, endpoint, connection, tries. One object a downstream connection, used
 * again for each request.
 *
 *   idle -> choosing -> (waiting for a connection) -> sending/awaiting -> answering -> done
 *                ^_______ backoff <__________________________|  (retry)
 */
import { type HeaderList, setHeader } from "../../wire/http/index.ts";
import {
  chunkEnd,
  chunkHead,
  type Framing,
  lastChunk,
  type ResponseHead,
  requestHead,
} from "../../wire/http1/index.ts";
import { clusterWord } from "../config/index.ts";
import type { Cluster, Host } from "./cluster.ts";
import { replayLimitBytes, retryHostAttempts } from "./limits.ts";
import {
  type LocalReply,
  noHealthyUpstream,
  perTryTimeout,
  routeTimeout,
  upstreamReset,
} from "./local-reply.ts";
import type { Pool, Waiter } from "./pool.ts";
import type { RetryState } from "./retry.ts";
import type { TryFailure } from "./retry-policy.ts";
import type { Runtime } from "./runtime.ts";
import { flag, type StreamInfo } from "./stream-info.ts";
import { type Timed, TimerEntry } from "./timer-wheel.ts";
import type { Upstream, UpstreamUser } from "./upstream.ts";

/** The downstream half. */
export interface RouterSink {
  readonly info: StreamInfo;
  onRouterInformational(head: ResponseHead): void;
  onRouterResponse(head: ResponseHead, endStream: boolean): void;
  onRouterData(chunk: Uint8Array): void;
  onRouterTrailers(trailers: HeaderList): void;
  onRouterFlush(): void;
  onRouterEnd(): void;
  /** No answer: reply locally, or break off if the answer had begun. */
  onRouterFailure(reply: LocalReply): void;
  /** The request's body should pause or go on. */
  onRouterCongestion(congested: boolean): void;
}

/** What a request asks of the router. */
export interface RoutedRequest {
  readonly cluster: Cluster;
  /** The endpoint that the authority names (dynamic forward proxy), else null: the cluster picks. */
  readonly fixedHost: Host | null;
  readonly framing: Framing;
  readonly timeoutMs: number;
  readonly perTryTimeoutMs: number;
  readonly retry: RetryState | null;
  readonly attemptCount: boolean;
  readonly peerMetadata: readonly string[];
}

const routeTimer = 0;
const tryTimer = 1;
const backoffTimer = 2;
const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

export class Router implements Waiter, UpstreamUser, Timed {
  waitingIn: Pool | null = null;
  waitNext: Waiter | null = null;
  waitPrev: Waiter | null = null;
  private readonly runtime: Runtime;
  private readonly sink: RouterSink;
  private readonly routeTimer = new TimerEntry(this, routeTimer);
  private readonly tryTimer = new TimerEntry(this, tryTimer);
  private readonly backoffTimer = new TimerEntry(this, backoffTimer);
  private request: RoutedRequest | null = null;
  private upstream: Upstream | null = null;
  private host: Host | null = null;
  private tried: Host[] = [];
  /** Body kept: until it is sent, and for another try while it is small. */
  private body: Uint8Array[] = [];
  private bodyBytes = 0;
  private keepBody = false;
  private bodyLost = false;
  private trailers: HeaderList | undefined;
  private requestComplete = false;
  private answering = false;
  private staleReplayed = false;
  private holdsRetry = false;
  private sentAt = 0;

  constructor(runtime: Runtime, sink: RouterSink) {
    this.runtime = runtime;
    this.sink = sink;
  }

  get active(): boolean {
    return this.request !== null;
  }

  /** Begins; `requestComplete`: no body follows. */
  start(request: RoutedRequest, requestComplete: boolean): void {
    this.request = request;
    this.requestComplete = requestComplete;
    this.answering = false;
    this.staleReplayed = false;
    this.keepBody = true;
    this.bodyLost = false;
    request.retry?.begin();
    if (requestComplete) this.armRouteTimer();
    this.attempt(false);
  }

  onBody(chunk: Uint8Array): void {
    const { request, upstream } = this;
    if (request === null) return;
    if (this.keepBody) {
      if (upstream === null || this.bodyBytes + chunk.length <= replayLimitBytes) {
        // A copy: `slice` of a Buffer is none.
        this.body.push(new Uint8Array(chunk));
        this.bodyBytes += chunk.length;
      } else {
        this.forgetBody();
      }
    }
    if (upstream === null) {
      if (this.bodyBytes > replayLimitBytes / 2) this.sink.onRouterCongestion(true);
      return;
    }
    this.sendChunk(upstream, chunk);
  }

  /** All of one read was given. */
  onBodyFlush(): void {
    const { upstream } = this;
    if (upstream === null) return;
    upstream.writer.flush();
    if (upstream.congested) this.sink.onRouterCongestion(true);
  }

  onRequestEnd(trailers: HeaderList | undefined): void {
    if (this.request === null) return;
    this.requestComplete = true;
    this.trailers = trailers;
    this.armRouteTimer();
    if (this.upstream === null) return;
    this.endRequest(this.upstream);
    if (!this.answering) this.armTryTimer();
  }

  /** The downstream is gone or has answered by itself. */
  cancel(): void {
    if (this.request === null) return;
    this.dropTry();
    this.finish();
  }

  /** The downstream cannot take more of the answer for now. */
  pauseResponse(paused: boolean): void {
    if (paused) this.upstream?.pause();
    else this.upstream?.resume();
  }

  // Tries

  private attempt(fresh: boolean): void {
    const request = this.request!;
    const { info } = this.sink;
    const host = request.fixedHost ?? this.pickHost(request.cluster);
    if (host === null) {
      this.fail(noHealthyUpstream);
      return;
    }
    this.host = host;
    info.host = host;
    info.attempts++;
    const got = host.pool.acquire(this, fresh);
    if (got === "overflow") this.onNoConnection("overflow", "overflow");
    else if (got !== "queued") this.onConnection(got);
  }

  /** Another endpoint than those tried before, where there is one. */
  private pickHost(cluster: Cluster): Host | null {
    let host = cluster.pick();
    for (let i = 0; i < retryHostAttempts && host !== null; i++) {
      const address = host.address;
      if (!this.tried.some((t) => t.address === address)) return host;
      host = cluster.pick();
    }
    return host;
  }

  onConnection(upstream: Upstream): void {
    const request = this.request!;
    const { info } = this.sink;
    this.upstream = upstream;
    this.sentAt = this.runtime.clock.now();
    info.upstreamPrincipal = upstream.principal;
    info.upstreamTrusted = upstream.trusted;
    info.upstreamLocalAddress = upstream.localAddress;
    if (info.upstreamStart < 0) info.upstreamStart = this.sentAt - info.start;
    upstream.begin(this, info.method);
    upstream.writer.head(requestHead(info.method, info.path, this.headersFor(upstream), request.framing));
    for (const chunk of this.body) this.sendChunk(upstream, chunk);
    this.trimBody();
    if (this.requestComplete) {
      this.endRequest(upstream);
      this.armTryTimer();
    } else {
      upstream.writer.flush();
      if (!upstream.congested) this.sink.onRouterCongestion(false);
    }
  }

  private headersFor(upstream: Upstream): readonly string[] {
    const request = this.request!;
    const { headers, attempts } = this.sink.info;
    if (request.attemptCount) setHeader(headers, "x-envoy-attempt-count", `${attempts}`);
    if (upstream.requests === 1 && upstream.trusted && request.peerMetadata.length > 0) {
      return headers.concat(request.peerMetadata);
    }
    return headers;
  }

  /** Once a body is larger than may be replayed, it is not kept. */
  private trimBody(): void {
    if (this.bodyBytes > replayLimitBytes) this.forgetBody();
  }

  private forgetBody(): void {
    this.keepBody = false;
    this.bodyLost = true;
    this.body.length = 0;
    this.bodyBytes = 0;
  }

  private sendChunk(upstream: Upstream, chunk: Uint8Array): void {
    const { writer } = upstream;
    if (this.request!.framing.kind === "chunked") {
      writer.text(chunkHead(chunk.length));
      writer.bytes(chunk);
      writer.text(chunkEnd);
    } else {
      writer.bytes(chunk);
    }
  }

  private endRequest(upstream: Upstream): void {
    if (this.request!.framing.kind === "chunked") upstream.writer.text(lastChunk(this.trailers));
    upstream.writer.flush();
    upstream.finishRequest();
  }

  onNoConnection(failure: TryFailure, detail: string): void {
    if (this.request === null) return;
    const { info } = this.sink;
    info.upstreamFailure = detail;
    if (failure !== "overflow") this.request.cluster.record(this.host!, 0);
    this.failTry(failure, detail);
  }

  onUpstreamReset(failure: TryFailure, detail: string): void {
    const { upstream } = this;
    this.upstream = null;
    this.disarmTry();
    if (this.request === null) return;
    if (this.answering) {
      this.sink.info.flags |=
        failure === "protocol-error" ? flag.upstreamProtocolError : flag.upstreamConnectionTermination;
      this.fail(upstreamReset(failure === "protocol-error" ? "protocol-error" : "reset", detail));
      return;
    }
    if (failure === "reset" && upstream !== null && this.replayStale(upstream)) return;
    this.request.cluster.record(this.host!, 0);
    this.failTry(failure, detail);
  }

  /**
   * A kept connection closed before any byte of the answer: the peer most likely closed it while it was idle. What
   * is idempotent goes out once more, on a new connection, and is no retry.
   */
  private replayStale(upstream: Upstream): boolean {
    const { info } = this.sink;
    const stale = upstream.requests > 1 && upstream.unanswered && !this.staleReplayed;
    if (!stale || this.bodyLost || !idempotent.has(info.method)) return false;
    this.staleReplayed = true;
    const { metrics } = this.request!.cluster;
    metrics.add(metrics.staleReplays, 1);
    info.attempts--;
    this.attempt(true);
    return true;
  }

  /** A try ended without an answer: another one, or the failure is the answer. */
  private failTry(failure: TryFailure, detail: string): void {
    const request = this.request!;
    this.endRetryHold(false);
    const retry = this.bodyLost ? null : request.retry;
    const verdict = retry ? retry.afterFailure(failure) : "no";
    if (verdict === "yes") {
      this.scheduleRetry();
      return;
    }
    if (verdict === "exhausted") this.sink.info.flags |= flag.retryLimit;
    if (failure === "per-try-timeout") this.fail(perTryTimeout);
    else this.fail(upstreamReset(failure, detail, { dynamic: request.fixedHost !== null }));
  }

  private scheduleRetry(): void {
    const request = this.request!;
    const { metrics } = request.cluster;
    metrics.add(metrics.retry, 1);
    this.holdsRetry = true;
    if (this.host) this.tried.push(this.host);
    this.upstream = null;
    this.runtime.wheel.arm(this.backoffTimer, request.retry!.backoff());
  }

  private endRetryHold(succeeded: boolean): void {
    if (!this.holdsRetry) return;
    this.holdsRetry = false;
    const { cluster } = this.request!;
    this.runtime.counts.release(cluster.slot + clusterWord.retries);
    if (succeeded) cluster.metrics.add(cluster.metrics.retrySuccess, 1);
  }

  // Answer

  onInformational(head: ResponseHead): void {
    this.sink.onRouterInformational(head);
  }

  onResponse(head: ResponseHead, endStream: boolean): void {
    const request = this.request!;
    const { cluster, retry } = request;
    this.disarmTry();
    cluster.metrics.answer(head.status);
    cluster.record(this.host!, head.status);
    if (retry !== null && !this.bodyLost) {
      const verdict = retry.afterAnswer(head);
      if (verdict === "yes") {
        this.endRetryHold(false);
        this.upstream?.abandon();
        this.scheduleRetry();
        return;
      }
      if (verdict === "exhausted") this.sink.info.flags |= flag.retryLimit;
    }
    this.endRetryHold(head.status < 500);
    this.answering = true;
    if (this.body.length > 0) this.body.length = 0;
    this.bodyBytes = 0;
    this.keepBody = false;
    const { info } = this.sink;
    const now = this.runtime.clock.now();
    info.responseStart = now - info.start;
    info.serviceTime = `${Math.round(now - this.sentAt)}`;
    this.sink.onRouterResponse(head, endStream);
  }

  onResponseData(chunk: Uint8Array): void {
    this.sink.onRouterData(chunk);
  }

  onResponseTrailers(trailers: HeaderList): void {
    this.sink.onRouterTrailers(trailers);
  }

  onResponseFlush(): void {
    this.sink.onRouterFlush();
  }

  onResponseEnd(): void {
    this.upstream = null;
    this.finish();
    this.sink.onRouterEnd();
  }

  onUpstreamDrain(): void {
    this.sink.onRouterCongestion(false);
  }

  // Time

  private armRouteTimer(): void {
    const ms = this.request!.timeoutMs;
    if (ms > 0) this.runtime.wheel.arm(this.routeTimer, ms);
  }

  private armTryTimer(): void {
    const ms = this.request!.perTryTimeoutMs;
    if (ms > 0) this.runtime.wheel.arm(this.tryTimer, ms);
  }

  private disarmTry(): void {
    this.runtime.wheel.disarm(this.tryTimer);
  }

  onTimer(entry: TimerEntry): void {
    const { request } = this;
    if (request === null) return;
    if (entry.kind === backoffTimer) {
      this.attempt(false);
      return;
    }
    const { metrics } = request.cluster;
    if (entry.kind === routeTimer) {
      metrics.add(metrics.timeout, 1);
      if (this.upstream && this.host) request.cluster.record(this.host, 0);
      this.dropTry();
      this.fail(routeTimeout);
      return;
    }
    if (this.answering) return;
    metrics.add(metrics.perTryTimeout, 1);
    if (this.host) request.cluster.record(this.host, 0);
    this.dropTry();
    this.failTry("per-try-timeout", "per try timeout");
  }

  // End

  private dropTry(): void {
    const { upstream } = this;
    this.upstream = null;
    this.waitingIn?.cancel(this);
    upstream?.abandon();
    this.disarmTry();
  }

  private fail(reply: LocalReply): void {
    this.finish();
    this.sink.onRouterFailure(reply);
  }

  private finish(): void {
    const { wheel } = this.runtime;
    this.endRetryHold(false);
    this.request = null;
    this.host = null;
    if (this.tried.length > 0) this.tried.length = 0;
    if (this.body.length > 0) this.body.length = 0;
    this.bodyBytes = 0;
    this.trailers = undefined;
    wheel.disarm(this.routeTimer);
    wheel.disarm(this.tryTimer);
    wheel.disarm(this.backoffTimer);
  }

  /** The connection ends: its timers leave the wheel. */
  dispose(): void {
    const { wheel } = this.runtime;
    wheel.remove(this.routeTimer);
    wheel.remove(this.tryTimer);
    wheel.remove(this.backoffTimer);
  }
}
