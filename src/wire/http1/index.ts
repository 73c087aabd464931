export { defaultHttp1Limits, type Http1Limits } from "./limits.ts";
export type {
  EncodeOptions,
  Framing,
  Http1Error,
  RequestHandler,
  RequestHead,
  ResponseHandler,
  ResponseHead,
} from "./types.ts";
