export { AccessLogWriter, type AccessLogWriterOptions, maxQueuedBytes } from "./writer.ts";
