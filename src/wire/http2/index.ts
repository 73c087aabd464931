export { ClientConnection } from "./connection/client.ts";
export { ServerConnection } from "./connection/server.ts";
export { errorCodes, errorName, type Http2Error } from "./errors.ts";
export { defaultHttp2Limits, type Http2Limits } from "./limits.ts";
export type {
  ClientOptions,
  ConnectionHandler,
  ConnectionOptions,
  Http2ClientConnection,
  Http2Connection,
  Http2Output,
  Http2RequestHead,
  Http2ResponseHead,
  Http2ServerStream,
  Http2Stream,
  ResetCause,
  ServerHandler,
  ServerOptions,
  StreamHandler,
} from "./types.ts";
