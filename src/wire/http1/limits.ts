/**
 * Limits of the HTTP/1.1 codec. Each is checked at a fixed byte of the stream, so how the bytes were split
 * into reads never changes the verdict.
 */
export interface Http1Limits {
  /** Bytes of the request line (method, target, version; without CRLF): 414 beyond. nginx has 8 KiB. */
  readonly maxStartLineBytes: number;
  /** Bytes of a header block, each field counted as name + value + 32: 431 beyond. Envoy: 60 KiB. */
  readonly maxHeaderBytes: number;
  /** Fields of a header block: 431 beyond. Envoy: 100. */
  readonly maxHeaderCount: number;
  /** Bytes of one chunk-size line with its extensions (without CRLF): 400 beyond. */
  readonly maxChunkLineBytes: number;
  /** Bytes of all chunk extensions of a message: 400 beyond. Go and Node: 16 KiB. */
  readonly maxChunkExtensionBytes: number;
  /** Empty lines tolerated before a request line (RFC 9112 section 2.2): 400 beyond. */
  readonly maxLeadingEmptyLines: number;
  /**
   * Bytes held behind an unanswered request: 400 beyond. The owner stops reading while `buffered` is not 0,
   * so this bounds one read of the socket, not the client's pipeline.
   */
  readonly maxPipelinedBytes: number;
  /** Informational (1xx) answers before the final one: error beyond. */
  readonly maxInformational: number;
}

export const defaultHttp1Limits: Http1Limits = {
  maxStartLineBytes: 8 * 1024,
  maxHeaderBytes: 60 * 1024,
  maxHeaderCount: 100,
  maxChunkLineBytes: 256,
  maxChunkExtensionBytes: 4 * 1024,
  maxLeadingEmptyLines: 4,
  maxPipelinedBytes: 512 * 1024,
  maxInformational: 8,
};
