/** grpc-js calls behind the types of this part. */
import type {
  handleBidiStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerUnaryCall,
} from "@grpc/grpc-js";
import type { Logger } from "../../base/index.ts";
import { GrpcError, grpcCode, toGrpcError } from "./error.ts";
import { limits } from "./limits.ts";
import type { CallContext, CallMetadata, CallPeer, GrpcMethod, ServerStream } from "./types.ts";

export interface CallEnvironment {
  readonly peerOf: (address: string) => CallPeer;
  readonly log: Logger;
  readonly streams: Set<{ end(error?: { code: number; message: string }): void }>;
}

function metadataOf(metadata: Metadata): CallMetadata {
  return {
    get(name) {
      const value = metadata.get(name)[0];
      return typeof value === "string" ? value : undefined;
    },
  };
}

/** Bytes of names and values: what is over the limit is refused before any handler sees it. */
export function metadataBytes(metadata: Metadata): number {
  let total = 0;
  for (const name of Object.keys(metadata.getMap()))
    for (const value of metadata.get(name)) total += name.length + value.length;
  return total;
}

const tooLarge = (): GrpcError =>
  new GrpcError(grpcCode.resourceExhausted, `metadata over ${limits.maxMetadataBytes} bytes`);

function contextOf(call: { metadata: Metadata; getPeer(): string }, env: CallEnvironment): CallContext {
  return { metadata: metadataOf(call.metadata), peer: env.peerOf(call.getPeer()) };
}

export function unaryHandler(method: GrpcMethod, env: CallEnvironment): handleUnaryCall<unknown, unknown> {
  const handle = method.handle as (request: unknown, context: CallContext) => Promise<unknown>;
  return (call: ServerUnaryCall<unknown, unknown>, callback) => {
    const run = async (): Promise<unknown> => {
      if (metadataBytes(call.metadata) > limits.maxMetadataBytes) throw tooLarge();
      return handle(call.request, contextOf(call, env));
    };
    run().then(
      (response) => callback(null, response),
      (error) => {
        if (!(error instanceof GrpcError)) env.log.error(`${method.path} failed`, { error });
        const status = toGrpcError(error);
        callback({ code: status.code, details: status.message });
      },
    );
  };
}

class BidiStream implements ServerStream<unknown> {
  onMessage: (message: unknown) => void = () => {};
  onEnd: () => void = () => {};
  onClose: () => void = () => {};
  onDrain: () => void = () => {};
  readonly metadata: CallMetadata;
  readonly peer: CallPeer;
  private readonly call: ServerDuplexStream<unknown, unknown>;
  private closed = false;

  constructor(call: ServerDuplexStream<unknown, unknown>, context: CallContext) {
    this.call = call;
    this.metadata = context.metadata;
    this.peer = context.peer;
  }

  write(message: Uint8Array): boolean {
    return this.closed ? false : this.call.write(message);
  }

  end(error?: { code: number; message: string }): void {
    if (this.closed) return;
    if (error === undefined) this.call.end();
    else this.call.emit("error", { code: error.code, details: error.message });
    this.close();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose();
  }
}

export function bidiHandler(
  method: GrpcMethod,
  env: CallEnvironment,
): handleBidiStreamingCall<unknown, unknown> {
  const handle = method.handle as (stream: ServerStream<unknown>) => void;
  return (call) => {
    const stream = new BidiStream(call, contextOf(call, env));
    const guarded = (fn: () => void): void => {
      try {
        fn();
      } catch (error) {
        env.log.error(`${method.path} failed`, { error });
        stream.end({ code: grpcCode.internal, message: "internal error" });
      }
    };
    const gone = (): void => {
      env.streams.delete(stream);
      stream.close();
    };
    env.streams.add(stream);
    call.on("data", (message: unknown) => guarded(() => stream.onMessage(message)));
    call.on("end", () => guarded(() => stream.onEnd()));
    call.on("drain", () => guarded(() => stream.onDrain()));
    call.on("cancelled", gone);
    call.on("close", gone);
    call.on("error", gone);
    if (metadataBytes(call.metadata) > limits.maxMetadataBytes) stream.end(tooLarge());
    else guarded(() => handle(stream));
  };
}
