/** A feed over gRPC: connect, ask for everything, again after a failure with what is already there. */
import { type Backoff, backoff, type Clock, type Logger, type Rng, type Timer } from "../../base/index.ts";
import type { ClientStream, GrpcChannel } from "../../wire/grpc/index.ts";
import { shortTypeName } from "../protocol/index.ts";
import type { Dialect, StreamResponse } from "./dialect.ts";
import type { Feed, FeedHost, FeedResponse, NameChange } from "./feed.ts";
import { limits } from "./limits.ts";
import type { ApplyError, FeedStatus, NodeIdentity, XdsClientState } from "./types.ts";

export interface StreamFeedOptions {
  readonly name: string;
  /** The channel for the n-th attempt, from 0: a server may have several addresses. */
  readonly channel: (attempt: number) => Pick<GrpcChannel, "bidi">;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly dialect: Dialect;
  readonly node: NodeIdentity;
  /** The node travels with the first request of a stream only, not with each. */
  readonly nodeOnce: boolean;
  /** Longest pause between attempts; default limits.reconnectMaxMs. */
  readonly reconnectMaxMs?: number;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

type Stream = ClientStream<StreamResponse>;

class StreamFeed implements Feed {
  private readonly options: StreamFeedOptions;
  private readonly host: FeedHost;
  private readonly wait: Backoff;
  private state: XdsClientState = "idle";
  private stream: Stream | undefined;
  /** Types that were asked for on this stream: their first request went out. */
  private readonly asked = new Set<string>();
  /** All names wanted of each type that was asked for by name. */
  private readonly wanted = new Map<string, readonly string[]>();
  /** Received on this stream and not answered. */
  private readonly open = new Map<FeedResponse, StreamResponse>();
  /** Of each type, the last refusal and how often it was repeated; and the one that is told later. */
  private readonly refusals = new Map<string, { readonly text: string; readonly times: number }>();
  private readonly late = new Map<string, Timer>();
  private retry: Timer | undefined;
  private connectedAt: number | undefined;
  private lastError: string | undefined;
  private attempts = 0;

  constructor(options: StreamFeedOptions, host: FeedHost) {
    this.options = options;
    this.host = host;
    const maxMs = options.reconnectMaxMs ?? limits.reconnectMaxMs;
    this.wait = backoff({ baseMs: limits.reconnectBaseMs, maxMs, rng: options.rng });
  }

  get status(): FeedStatus {
    return {
      name: this.options.name,
      state: this.state,
      ...(this.connectedAt === undefined ? {} : { connectedAt: this.connectedAt }),
      ...(this.lastError === undefined ? {} : { lastError: this.lastError }),
    };
  }

  start(): void {
    if (this.state === "idle") void this.connect();
  }

  stop(): void {
    this.set("stopped");
    this.retry?.cancel();
    for (const timer of this.late.values()) timer.cancel();
    this.open.clear();
    this.stream?.cancel();
  }

  nudge(): void {
    if (this.state !== "backoff") return;
    this.retry?.cancel();
    this.wait.reset();
    void this.connect();
  }

  private get stopped(): boolean {
    return this.state === "stopped";
  }

  private set(state: XdsClientState): void {
    this.state = state;
    this.host.changed();
  }

  private async connect(): Promise<void> {
    this.set("connecting");
    const { path, dialect, channel } = this.options;
    try {
      const stream = await channel(this.attempts++).bidi(path, (bytes) => dialect.decode(bytes));
      if (this.stopped) {
        stream.cancel();
        return;
      }
      this.stream = stream;
      this.asked.clear();
      this.wanted.clear();
      dialect.reset();
      stream.onMessage = (response) => this.receive(stream, response);
      stream.onClose = (status) => this.lost(stream, status.message || `status ${status.code}`);
      for (const request of this.host.first()) {
        if (request.names.length > 0) this.wanted.set(request.typeUrl, request.names);
        this.send(request.typeUrl, (node) => dialect.first(request, node));
      }
    } catch (error) {
      this.lost(undefined, error instanceof Error ? error.message : String(error));
    }
  }

  private lost(stream: Stream | undefined, why: string): void {
    if (this.stopped || stream !== this.stream) return;
    this.stream = undefined;
    this.open.clear();
    this.connectedAt = undefined;
    this.lastError = why;
    const pause = this.wait.next();
    this.options.log.warn("control plane away; the last configuration stays", {
      feed: this.options.name,
      reason: why,
      retryMs: pause,
    });
    this.retry = this.options.clock.after(pause, () => void this.connect());
    this.set("backoff");
  }

  private send(typeUrl: string, encode: (node: NodeIdentity | undefined) => Uint8Array): void {
    const first = this.asked.size === 0;
    this.asked.add(typeUrl);
    this.stream?.write(encode(first || !this.options.nodeOnce ? this.options.node : undefined));
  }

  private receive(stream: Stream, response: StreamResponse): void {
    if (stream !== this.stream) return;
    if (this.connectedAt === undefined) {
      this.connectedAt = this.options.clock.wall();
      this.lastError = undefined;
      this.set("connected");
    }
    this.open.set(response, response);
    if (this.host.receive(response)) return;
    this.options.log.warn(`${this.options.name}: more responses than can wait; the stream is closed`);
    stream.cancel();
  }

  ask(typeUrl: string, change: NameChange, wanted: readonly string[]): void {
    if (this.stream === undefined) return;
    // A first request without a name would mean "everything".
    if (!this.asked.has(typeUrl) && wanted.length === 0) return;
    this.wanted.set(typeUrl, wanted);
    this.send(typeUrl, (node) => this.options.dialect.ask(typeUrl, change, wanted, node));
  }

  answer(response: FeedResponse, errors: readonly ApplyError[]): void {
    const own = this.open.get(response);
    if (errors.length > 0)
      this.options.log.warn(`${shortTypeName(response.typeUrl)} refused in part`, { errors });
    if (own === undefined) return;
    this.open.delete(response);
    const { typeUrl } = own;
    this.late.get(typeUrl)?.cancel();
    if (errors.length === 0) {
      this.wait.reset();
      this.refusals.delete(typeUrl);
      this.tell(own, undefined);
      return;
    }
    const text = nackText(errors);
    const before = this.refusals.get(typeUrl);
    const times = before?.text === text ? before.times + 1 : 0;
    this.refusals.set(typeUrl, { text, times });
    if (times === 0) this.tell(own, text);
    else this.tellLater(own, text, times);
  }

  private tellLater(response: StreamResponse, text: string, times: number): void {
    const { stream } = this;
    const pause = Math.min(limits.repeatedNackMaxMs, limits.repeatedNackBaseMs * 2 ** (times - 1));
    const timer = this.options.clock.after(pause, () => {
      if (stream === this.stream) this.tell(response, text);
    });
    this.late.set(response.typeUrl, timer);
  }

  private tell(response: StreamResponse, text: string | undefined): void {
    const wanted = this.wanted.get(response.typeUrl) ?? [];
    this.send(response.typeUrl, (node) => this.options.dialect.answer(response, wanted, text, node));
  }
}

function nackText(errors: readonly ApplyError[]): string {
  const text = errors.map(({ name, message }) => (name === "" ? message : `${name}: ${message}`)).join("; ");
  return text.length <= limits.maxNackBytes ? text : `${text.slice(0, limits.maxNackBytes)}...`;
}

/** Nothing happens before start(). */
export function streamFeed(options: StreamFeedOptions, host: FeedHost): Feed {
  return new StreamFeed(options, host);
}
