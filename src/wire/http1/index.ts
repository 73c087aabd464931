export {
  chunkEnd,
  chunkHead,
  continueResponse,
  EncodedHead,
  encodeRequestHead,
  encodeResponseHead,
  lastChunk,
  requestFraming,
  requestHead,
  responseHead,
} from "./encode.ts";
export { stripHopByHop } from "./hop-by-hop.ts";
export { defaultHttp1Limits, type Http1Limits } from "./limits.ts";
export { RequestParser } from "./request-parser.ts";
export { ResponseParser } from "./response-parser.ts";
export type {
  EncodeOptions,
  Framing,
  Http1Error,
  RequestHandler,
  RequestHead,
  ResponseHandler,
  ResponseHead,
} from "./types.ts";
