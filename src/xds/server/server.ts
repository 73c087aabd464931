/** The Aggregated Discovery Service, delta variant, as a gRPC method. */
import type { Clock, Logger } from "../../base/index.ts";
import { AggregatedDiscoveryService } from "../../proto/gen/envoy/service/discovery/v3/ads_pb.js";
import type { DeltaDiscoveryRequest } from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  bidiMethod,
  type CallContext,
  GrpcError,
  type GrpcMethod,
  grpcCode,
  type ServerStream,
} from "../../wire/grpc/index.ts";
import type { NodeInfo } from "../protocol/index.ts";
import { limits } from "./limits.ts";
import { PushSlots } from "./push-slots.ts";
import { AdsStream } from "./stream.ts";
import type { ProxyStatus, ResourceSource } from "./types.ts";

/** Who calls, from its token or certificate. Throw GrpcError to refuse. */
export type Authenticate = (context: CallContext) => Promise<NonNullable<NodeInfo["principal"]> | undefined>;

export interface XdsServerOptions {
  readonly source: ResourceSource;
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface XdsServer {
  /** To be given to createGrpcServer. */
  readonly methods: readonly GrpcMethod[];
  /** One entry a stream, for `proxy-status`. */
  status(): readonly ProxyStatus[];
  /** Streams now. */
  readonly streams: number;
}

type Requests = ServerStream<DeltaDiscoveryRequest>;

function nodeOf(request: DeltaDiscoveryRequest, principal: NodeInfo["principal"]): NodeInfo {
  const node = request.node;
  if (node === undefined || node.id === "")
    throw new GrpcError(grpcCode.invalidArgument, "the first request must carry node.id");
  return {
    id: node.id,
    cluster: node.cluster,
    userAgent: node.userAgentName,
    metadata: node.metadata ?? {},
    ...(principal === undefined ? {} : { principal }),
  };
}

class Session {
  private readonly options: XdsServerOptions;
  private readonly transport: Requests;
  private readonly slots: PushSlots;
  private readonly streams: Set<AdsStream>;
  private queue: DeltaDiscoveryRequest[] = [];
  private caller: { principal: NodeInfo["principal"] } | undefined;
  private stream: AdsStream | undefined;
  private gone = false;

  constructor(options: XdsServerOptions, transport: Requests, slots: PushSlots, streams: Set<AdsStream>) {
    this.options = options;
    this.transport = transport;
    this.slots = slots;
    this.streams = streams;
    transport.onMessage = (request) => this.receive(request);
    transport.onDrain = () => this.stream?.drained();
    transport.onEnd = () => transport.end();
    transport.onClose = () => this.close();
    void this.identify();
  }

  private async identify(): Promise<void> {
    const late = this.options.clock.after(limits.authenticateMs, () =>
      this.fail(new GrpcError(grpcCode.unavailable, "the credential could not be checked in time")),
    );
    try {
      const principal = await this.options.authenticate(this.transport);
      if (this.gone) return;
      this.caller = { principal };
      for (const request of this.queue.splice(0)) this.receive(request);
    } catch (error) {
      this.fail(error);
    } finally {
      late.cancel();
    }
  }

  private fail(error: unknown): void {
    if (this.gone) return;
    const known = error instanceof GrpcError;
    this.options.log.warn("xDS stream refused", { peer: this.transport.peer.address, error: String(error) });
    this.transport.end(
      known
        ? { code: error.code, message: error.message }
        : { code: grpcCode.unavailable, message: "authentication failed" },
    );
  }

  private receive(request: DeltaDiscoveryRequest): void {
    if (this.gone) return;
    if (this.caller === undefined) {
      if (this.queue.length < limits.maxQueuedRequests) this.queue.push(request);
      else this.fail(new GrpcError(grpcCode.resourceExhausted, "too many requests before authentication"));
      return;
    }
    try {
      this.stream ??= this.open(request);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.stream.request(request.typeUrl, {
      subscribe: request.resourceNamesSubscribe,
      unsubscribe: request.resourceNamesUnsubscribe,
      initialVersions: request.initialResourceVersions,
      nonce: request.responseNonce,
      error:
        request.errorDetail === undefined
          ? undefined
          : request.errorDetail.message || "refused without a message",
    });
  }

  private open(request: DeltaDiscoveryRequest): AdsStream {
    const { source, clock, log } = this.options;
    const node = nodeOf(request, this.caller?.principal);
    const stream = new AdsStream({ node, source, transport: this.transport, slots: this.slots, clock, log });
    this.streams.add(stream);
    return stream;
  }

  private close(): void {
    this.gone = true;
    this.queue = [];
    if (this.stream === undefined) return;
    this.streams.delete(this.stream);
    this.stream.close();
  }
}

/** State of all streams of one control plane; serves any number of gRPC servers. */
export function createXdsServer(options: XdsServerOptions): XdsServer {
  const slots = new PushSlots(limits.pushesInFlight);
  const streams = new Set<AdsStream>();
  const ads = AggregatedDiscoveryService.method.deltaAggregatedResources;
  return {
    methods: [bidiMethod(ads, (transport) => void new Session(options, transport, slots, streams))],
    status: () =>
      [...streams].map((s) => s.status()).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)),
    get streams() {
      return streams.size;
    },
  };
}
