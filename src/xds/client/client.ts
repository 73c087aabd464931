/** The stream: connect, subscribe, apply in order, answer; again after a failure, with what is already there. */
import { create, fromBinary, type JsonObject, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Backoff, backoff, type Clock, type Logger, type Rng, type Timer } from "../../base/index.ts";
import { type Node, NodeSchema } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import { AggregatedDiscoveryService } from "../../proto/gen/envoy/service/discovery/v3/ads_pb.js";
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { type ClientStream, type GrpcChannel, grpcCode, methodPath } from "../../wire/grpc/index.ts";
import { shortTypeName } from "../protocol/index.ts";
import { limits } from "./limits.ts";
import { decodeSnapshot, encodeSnapshot, type SnapshotStore } from "./snapshot.ts";
import { ClientState, type NameChange } from "./state.ts";
import type {
  ApplyError,
  ConfigSink,
  ConfigUpdate,
  NodeIdentity,
  XdsClientState,
  XdsClientStatus,
} from "./types.ts";

export interface XdsClientOptions {
  readonly channel: Pick<GrpcChannel, "bidi">;
  readonly node: NodeIdentity;
  readonly sink: ConfigSink;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Keeps the last good configuration; absent: nothing is kept. */
  readonly snapshot?: SnapshotStore;
  /** After each change of status. */
  readonly onStatus?: (status: XdsClientStatus) => void;
}

export interface XdsClient {
  /** Loads the last good configuration, if any, then connects. Never rejects. */
  start(): Promise<void>;
  /** Ends the stream and writes the last good configuration. */
  stop(): Promise<void>;
  status(): XdsClientStatus;
}

const path = methodPath(AggregatedDiscoveryService.method.deltaAggregatedResources);
type Stream = ClientStream<DeltaDiscoveryResponse>;
type Request = MessageInitShape<typeof DeltaDiscoveryRequestSchema>;

class Client implements XdsClient {
  private readonly options: XdsClientOptions;
  private readonly books = new ClientState();
  private readonly wait: Backoff;
  private state: XdsClientState = "idle";
  private stream: Stream | undefined;
  /** Types that were asked for on this stream: their first request went out. */
  private asked = new Set<string>();
  private queue: DeltaDiscoveryResponse[] = [];
  private working: Promise<void> | undefined;
  private retry: Timer | undefined;
  private saving: Timer | undefined;
  private connectedAt: number | undefined;
  private lastError: string | undefined;
  private acks = 0;
  private nacks = 0;

  constructor(options: XdsClientOptions) {
    this.options = options;
    this.wait = backoff({ baseMs: limits.reconnectBaseMs, maxMs: limits.reconnectMaxMs, rng: options.rng });
  }

  async start(): Promise<void> {
    if (this.state !== "idle") return;
    this.set("connecting");
    await this.load();
    if (!this.stopped) void this.connect();
  }

  private get stopped(): boolean {
    return this.state === "stopped";
  }

  status(): XdsClientStatus {
    return {
      state: this.state,
      synced: this.books.synced,
      ...(this.connectedAt === undefined ? {} : { connectedAt: this.connectedAt }),
      ...(this.lastError === undefined ? {} : { lastError: this.lastError }),
      versions: this.books.versions,
      acks: this.acks,
      nacks: this.nacks,
    };
  }

  private set(state: XdsClientState): void {
    this.state = state;
    this.options.onStatus?.(this.status());
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.set("stopped");
    this.retry?.cancel();
    this.stream?.cancel();
    this.queue = [];
    await this.working;
    if (this.saving !== undefined) await this.save();
  }

  private async connect(): Promise<void> {
    this.set("connecting");
    try {
      const stream = await this.options.channel.bidi(path, (bytes) =>
        fromBinary(DeltaDiscoveryResponseSchema, bytes),
      );
      if (this.stopped) {
        stream.cancel();
        return;
      }
      this.stream = stream;
      this.asked = new Set();
      stream.onMessage = (response) => this.receive(stream, response);
      stream.onClose = (status) => this.lost(stream, status.message || `status ${status.code}`);
      for (const { typeUrl, subscribe, initialVersions } of this.books.firstRequests())
        this.send({
          typeUrl,
          resourceNamesSubscribe: [...subscribe],
          initialResourceVersions: initialVersions,
        });
    } catch (error) {
      this.lost(undefined, error instanceof Error ? error.message : String(error));
    }
  }

  private lost(stream: Stream | undefined, why: string): void {
    if (this.stopped || stream !== this.stream) return;
    this.stream = undefined;
    this.queue = [];
    this.connectedAt = undefined;
    this.lastError = why;
    const pause = this.wait.next();
    this.options.log.warn("control plane away; the last configuration stays", {
      reason: why,
      retryMs: pause,
    });
    this.retry = this.options.clock.after(pause, () => void this.connect());
    this.set("backoff");
  }

  /** The node travels with the first request of a stream only. */
  private send(request: Request & { typeUrl: string }): void {
    const message = create(DeltaDiscoveryRequestSchema, request);
    if (this.asked.size === 0) message.node = nodeMessage(this.options.node);
    this.asked.add(request.typeUrl);
    this.stream?.write(toBinary(DeltaDiscoveryRequestSchema, message));
  }

  private receive(stream: Stream, response: DeltaDiscoveryResponse): void {
    if (stream !== this.stream) return;
    if (this.queue.length >= limits.maxQueuedResponses) {
      stream.cancel();
      return;
    }
    if (this.connectedAt === undefined) {
      this.connectedAt = this.options.clock.wall();
      this.lastError = undefined;
      this.set("connected");
    }
    this.queue.push(response);
    this.working ??= this.work().finally(() => {
      this.working = undefined;
    });
  }

  /** One response at a time, in the order of arrival. */
  private async work(): Promise<void> {
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) await this.take(next);
  }

  private async take(response: DeltaDiscoveryResponse): Promise<void> {
    const { stream } = this;
    const { typeUrl, nonce } = response;
    if (!this.books.knows(typeUrl)) {
      this.answer(stream, typeUrl, nonce, [{ name: "", message: `type ${typeUrl} was not asked for` }]);
      return;
    }
    const update: ConfigUpdate = {
      typeUrl,
      added: response.resources.flatMap(({ name, version, resource }) =>
        resource === undefined || !this.books.wants(typeUrl, name) ? [] : [{ name, version, any: resource }],
      ),
      removed: response.removedResources,
    };
    const bare = response.resources.filter((r) => r.resource === undefined);
    const errors = [
      ...bare.map((r) => ({ name: r.name, message: "no resource in it" })),
      ...(await this.apply(update)),
    ];
    // Names that this response refers to are asked for before it is ACKed: the server then sends them first.
    const unwanted = this.follow(update, errors, stream);
    this.answer(stream, typeUrl, nonce, errors);
    if (unwanted !== undefined) await this.apply(unwanted);
    if (errors.length === 0) this.wait.reset();
    this.saveLater();
  }

  private async apply(update: ConfigUpdate): Promise<readonly ApplyError[]> {
    // A server says "nothing new" after a reconnect; the first "nothing at all" is news.
    if (update.added.length + update.removed.length === 0 && this.books.answered(update.typeUrl)) return [];
    try {
      return (await this.options.sink.apply(update)).errors;
    } catch (error) {
      this.options.log.error(`applying ${shortTypeName(update.typeUrl)} failed`, { error });
      const message = error instanceof Error ? error.message : String(error);
      return update.added.map(({ name }) => ({ name, message }));
    }
  }

  /** Changes the subscriptions that follow from an update; gives what is then to be dropped. */
  private follow(
    update: ConfigUpdate,
    errors: readonly ApplyError[],
    stream: Stream | undefined,
  ): ConfigUpdate | undefined {
    const next = this.books.applied(update, errors);
    if (next === undefined) return undefined;
    const { typeUrl, change } = next;
    if (stream !== undefined && stream === this.stream) this.resubscribe(typeUrl, change);
    return change.unsubscribe.length === 0 ? undefined : { typeUrl, added: [], removed: change.unsubscribe };
  }

  private resubscribe(typeUrl: string, { subscribe, unsubscribe }: NameChange): void {
    if (subscribe.length === 0 && unsubscribe.length === 0) return;
    // A first request without a name would mean "everything".
    if (!this.asked.has(typeUrl) && subscribe.length === 0) return;
    this.send({
      typeUrl,
      resourceNamesSubscribe: [...subscribe],
      resourceNamesUnsubscribe: [...unsubscribe],
    });
  }

  private answer(
    stream: Stream | undefined,
    typeUrl: string,
    nonce: string,
    errors: readonly ApplyError[],
  ): void {
    if (errors.length === 0) this.acks++;
    else {
      this.nacks++;
      this.options.log.warn(`${shortTypeName(typeUrl)} refused in part`, { errors });
    }
    if (stream !== undefined && stream === this.stream)
      this.send({
        typeUrl,
        responseNonce: nonce,
        ...(errors.length === 0
          ? {}
          : { errorDetail: { code: grpcCode.invalidArgument, message: nackText(errors) } }),
      });
    this.options.onStatus?.(this.status());
  }

  private async load(): Promise<void> {
    const { snapshot, log } = this.options;
    if (snapshot === undefined) return;
    try {
      const bytes = await snapshot.load();
      if (bytes === undefined) return;
      const decoded = decodeSnapshot(bytes);
      if ("reason" in decoded) {
        log.warn("last good configuration not used", { reason: decoded.reason });
        return;
      }
      for (const update of decoded.updates) this.books.applied(update, await this.apply(update));
      log.info("started from the last good configuration");
    } catch (error) {
      log.warn("last good configuration cannot be read", { error });
    }
  }

  private saveLater(): void {
    if (this.options.snapshot === undefined || this.saving !== undefined || this.stopped) return;
    this.saving = this.options.clock.after(limits.snapshotDelayMs, () => void this.save());
  }

  private async save(): Promise<void> {
    this.saving?.cancel();
    this.saving = undefined;
    // A half-received configuration is no good one.
    if (!this.books.synced) return;
    await this.options.snapshot?.save(encodeSnapshot(this.books.snapshot())).catch((error) => {
      this.options.log.warn("last good configuration cannot be written", { error: String(error) });
    });
  }
}

function nodeMessage(node: NodeIdentity): Node {
  return create(NodeSchema, {
    id: node.id,
    cluster: node.cluster,
    metadata: node.metadata as JsonObject,
    userAgentName: node.userAgent ?? "weft",
    userAgentVersionType: { case: "userAgentVersion", value: node.version ?? "" },
  });
}

function nackText(errors: readonly ApplyError[]): string {
  const text = errors.map(({ name, message }) => (name === "" ? message : `${name}: ${message}`)).join("; ");
  return text.length <= limits.maxNackBytes ? text : `${text.slice(0, limits.maxNackBytes)}...`;
}

/** Nothing happens before start(). */
export function createXdsClient(options: XdsClientOptions): XdsClient {
  return new Client(options);
}
