export { type HttpSniff, sniffHttp } from "./sniff.ts";
