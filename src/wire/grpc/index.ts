/** gRPC over grpc-js, mended for Bun: server with optional client certificates, channel with a pinned root. */
export { createGrpcChannel } from "./channel.ts";
export { GrpcError, grpcCode } from "./error.ts";
export { limits } from "./limits.ts";
export { bidiMethod, bidiPath, methodPath, unaryMethod } from "./methods.ts";
export { createGrpcServer } from "./server.ts";
export type {
  CallContext,
  CallMetadata,
  CallPeer,
  ClientStream,
  GrpcChannel,
  GrpcChannelOptions,
  GrpcMethod,
  GrpcServer,
  GrpcServerOptions,
  GrpcTls,
  ServerStream,
  UnaryHandler,
} from "./types.ts";
