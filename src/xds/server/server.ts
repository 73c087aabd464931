/** The discovery services, aggregated and of one type, in both variants, as gRPC methods. */
import type { Clock, Logger } from "../../base/index.ts";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  bidiPath,
  type CallContext,
  GrpcError,
  type GrpcMethod,
  grpcCode,
  type ServerStream,
} from "../../wire/grpc/index.ts";
import { ChangeBook, type DiscoveryService, discoveryServices, type NodeInfo } from "../protocol/index.ts";
import { limits } from "./limits.ts";
import { PushSlots } from "./push-slots.ts";
import { AdsStream } from "./stream.ts";
import type { ProxyStatus, ResourceSource } from "./types.ts";
import { delta, deltaRequest, sotw, sotwRequest, type Variant } from "./variants.ts";

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

type Message = DeltaDiscoveryRequest | DiscoveryRequest;

/** A method's service and variant. */
interface Kind<M extends Message, Request> {
  readonly service: DiscoveryService;
  readonly variant: Variant<Request>;
  readonly read: (message: M) => Request;
}

/** What all streams of a server have in common. */
interface Shared {
  readonly options: XdsServerOptions;
  readonly slots: PushSlots;
  readonly book: ChangeBook;
  readonly streams: Set<{ status(): ProxyStatus }>;
}

function nodeOf(request: Message, principal: NodeInfo["principal"]): NodeInfo {
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

class Session<M extends Message, Request> {
  private readonly kind: Kind<M, Request>;
  private readonly options: XdsServerOptions;
  private readonly transport: ServerStream<M>;
  private readonly shared: Shared;
  private queue: M[] = [];
  private caller: { principal: NodeInfo["principal"] } | undefined;
  private stream: AdsStream<Request> | undefined;
  private gone = false;

  constructor(kind: Kind<M, Request>, transport: ServerStream<M>, shared: Shared) {
    this.kind = kind;
    this.options = shared.options;
    this.transport = transport;
    this.shared = shared;
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

  private receive(request: M): void {
    if (this.gone) return;
    if (this.caller === undefined) {
      if (this.queue.length < limits.maxQueuedRequests) this.queue.push(request);
      else this.fail(new GrpcError(grpcCode.resourceExhausted, "too many requests before authentication"));
      return;
    }
    try {
      const url = this.typeOf(request);
      this.stream ??= this.open(request);
      this.stream.request(url, this.kind.read(request));
    } catch (error) {
      this.fail(error);
    }
  }

  /** A service of one type need not be told which. */
  private typeOf({ typeUrl }: M): string {
    const only = this.kind.service.typeUrl;
    if (typeUrl === "" && only === undefined)
      throw new GrpcError(grpcCode.invalidArgument, "type_url is missing");
    if (typeUrl !== "" && only !== undefined && typeUrl !== only)
      throw new GrpcError(grpcCode.invalidArgument, `this service has ${only}, not ${typeUrl}`);
    return only ?? typeUrl;
  }

  private open(request: M): AdsStream<Request> {
    const { source, clock, log } = this.options;
    const { slots, book, streams } = this.shared;
    const { variant } = this.kind;
    const node = nodeOf(request, this.caller?.principal);
    const stream = new AdsStream({
      variant,
      node,
      source,
      transport: this.transport,
      slots,
      book,
      clock,
      log,
    });
    streams.add(stream);
    return stream;
  }

  private close(): void {
    this.gone = true;
    this.queue = [];
    if (this.stream === undefined) return;
    this.shared.streams.delete(this.stream);
    this.stream.close();
  }
}

function methodsOf(service: DiscoveryService, shared: Shared): GrpcMethod[] {
  return [
    bidiPath(
      service.delta,
      DeltaDiscoveryRequestSchema,
      (transport) => void new Session({ service, variant: delta, read: deltaRequest }, transport, shared),
    ),
    bidiPath(
      service.sotw,
      DiscoveryRequestSchema,
      (transport) => void new Session({ service, variant: sotw, read: sotwRequest }, transport, shared),
    ),
  ];
}

/** State of all streams of one control plane; serves any number of gRPC servers. */
export function createXdsServer(options: XdsServerOptions): XdsServer {
  const streams: Shared["streams"] = new Set();
  const shared: Shared = {
    options,
    slots: new PushSlots(limits.pushesInFlight),
    book: new ChangeBook(),
    streams,
  };
  return {
    methods: discoveryServices.flatMap((service) => methodsOf(service, shared)),
    status: () =>
      [...streams].map((s) => s.status()).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)),
    get streams() {
      return streams.size;
    },
  };
}
