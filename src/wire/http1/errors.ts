import type { Http1Error } from "./types.ts";

const make = (status: Http1Error["status"], code: string, detail: string): Http1Error => ({
  status,
  code: `http1.${code}`,
  detail,
});

/** Every verdict of the codec, allocated once. A response parser gives them with status 502. */
export const errors = {
  method: make(400, "method", "method is not a token"),
  preface: make(400, "http2_preface", "HTTP/2 preface where only HTTP/1 is spoken"),
  target: make(400, "target", "request target holds a character that none may hold"),
  targetForm: make(400, "target_form", "request target is in no form that its method allows"),
  requestLine: make(400, "request_line", "request line is not: method SP target SP version CRLF"),
  version: make(400, "version", "protocol version is malformed"),
  versionUnsupported: make(505, "version_unsupported", "only HTTP/1.0 and HTTP/1.1 are spoken here"),
  startLineTooLong: make(414, "start_line_too_long", "request line is longer than its limit"),
  statusLine: make(400, "status_line", "status line is not: version SP three digits SP reason CRLF"),
  bareLf: make(400, "bare_lf", "line ends with LF alone"),
  bareCr: make(400, "bare_cr", "CR is not followed by LF"),
  obsFold: make(400, "obs_fold", "line starts with white space"),
  fieldName: make(400, "field_name", "field name is empty, not a token, or not followed by a colon"),
  fieldValue: make(400, "field_value", "field value holds a control character"),
  headersTooLarge: make(431, "headers_too_large", "header block is larger than its limit"),
  tooManyHeaders: make(431, "too_many_headers", "header block has more fields than its limit"),
  hostMissing: make(400, "host_missing", "HTTP/1.1 request without Host"),
  hostRepeated: make(400, "host_repeated", "more than one Host"),
  host: make(400, "host", "Host is not host[:port]"),
  contentLength: make(400, "content_length", "content-length is not one decimal number below 2^53"),
  contentLengthRepeated: make(400, "content_length_repeated", "more than one content-length"),
  contentLengthAndChunked: make(400, "length_and_encoding", "content-length beside transfer-encoding"),
  transferEncoding: make(400, "transfer_encoding", "transfer-encoding is not: chunked"),
  transferEncodingUnknown: make(501, "transfer_encoding_unknown", "transfer coding is not implemented"),
  transferEncodingRepeated: make(400, "transfer_encoding_repeated", "more than one transfer-encoding"),
  transferEncodingOld: make(400, "transfer_encoding_version", "transfer-encoding in HTTP/1.0"),
  disguised: make(400, "disguised_framing", "framing field spelt with an underscore"),
  connectBody: make(400, "connect_body", "CONNECT with a body"),
  expectation: make(417, "expectation", "only 100-continue can be expected"),
  chunkSize: make(400, "chunk_size", "chunk size is not 1 to 16 hexadecimal digits below 2^53"),
  chunkExtension: make(400, "chunk_extension", "chunk extension is malformed"),
  chunkLineTooLong: make(400, "chunk_line_too_long", "chunk-size line is longer than its limit"),
  chunkExtensionsTooLong: make(400, "chunk_extensions_too_long", "chunk extensions exceed their limit"),
  chunkEnd: make(400, "chunk_end", "chunk data is not followed by CRLF"),
  leadingLines: make(400, "leading_lines", "more empty lines before the request than the limit"),
  pipelineTooLong: make(400, "pipeline_too_long", "more bytes behind an unanswered request than the limit"),
  truncated: make(400, "truncated", "connection closed in the middle of a message"),
  unsolicited: make(502, "unsolicited_response", "bytes that no request asked for"),
  responseFlood: make(502, "response_flood", "bytes behind the end of the response"),
  informationalFlood: make(502, "informational_flood", "more informational answers than the limit"),
  unsolicitedSwitch: make(502, "unsolicited_upgrade", "101 that no request asked for"),
} as const;

const asUpstream = new Map<Http1Error, Http1Error>(
  Object.values(errors).map((e) => [e, { ...e, status: 502 }] as const),
);

/** The same verdict about an upstream. */
export function upstreamError(error: Http1Error): Http1Error {
  return asUpstream.get(error) ?? error;
}
