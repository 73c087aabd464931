/** Status of a call as an error (https://grpc.io/docs/guides/status-codes/). */

export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** Thrown by handlers to answer with that status; given to callers of a client. */
export class GrpcError extends Error {
  override name = "GrpcError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Any thrown value as a status; what is not a GrpcError is our own fault and does not leave the process in words. */
export function toGrpcError(error: unknown): GrpcError {
  return error instanceof GrpcError ? error : new GrpcError(grpcCode.internal, "internal error");
}
