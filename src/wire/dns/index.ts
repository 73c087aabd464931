/** DNS messages, sans-IO. */
export { cutShort, encodeQuery, encodeResponse } from "./encode.ts";
export {
  ednsUdpBytes,
  maxLabelBytes,
  maxNameBytes,
  maxPointers,
  maxRecords,
  tcpBytes,
  udpBytes,
} from "./limits.ts";
export { encodeName, readName } from "./name.ts";
export { aged, type QueryRead, type ResponseRead, readQuery, readResponse } from "./query.ts";
export {
  type Answer,
  classAny,
  classIn,
  type Edns,
  type Query,
  type Question,
  type Response,
  rcode,
  rrType,
} from "./types.ts";
