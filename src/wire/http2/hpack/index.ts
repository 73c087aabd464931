export { HpackDecoder } from "./decoder.ts";
export { HpackEncoder } from "./encoder.ts";
