/** protobuf-es descriptors as gRPC methods. */
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { GrpcMethod, ServerStream, UnaryHandler } from "./types.ts";

/** `/package.Service/Method`. */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** Handler of a unary method; throw GrpcError to answer with a status. */
export function unaryMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { input: I; output: O },
  handle: UnaryHandler<I, O>,
): GrpcMethod {
  return {
    path: methodPath(method),
    kind: "unary",
    decode: (bytes) => fromBinary(method.input, bytes),
    encode: (message) => toBinary(method.output, message as MessageShape<O>),
    handle,
  };
}

/** Handler of a bidirectional method that writes messages it encoded itself. */
export function bidiMethod<I extends DescMessage>(
  method: DescMethod & { input: I },
  handle: (stream: ServerStream<MessageShape<I>>) => void,
): GrpcMethod {
  return bidiPath(methodPath(method), method.input, handle);
}

/** The same for a path whose service is not among the generated ones. */
export function bidiPath<I extends DescMessage>(
  path: string,
  input: I,
  handle: (stream: ServerStream<MessageShape<I>>) => void,
): GrpcMethod {
  return {
    path,
    kind: "bidi",
    decode: (bytes) => fromBinary(input, bytes),
    encode: (message) => message as Uint8Array,
    handle,
  };
}
