export { Detecting } from "./detect.ts";
export { Http2Downstream } from "./downstream.ts";
