/**
 * Every limit of HTTP/2 in one place. Beside each its reason and what the peers do. They are on by default: a
 * connection made without options is safe against the attacks they are named for.
 */
export interface Http2Limits {
  // What one header block may cost. Who decodes: HpackDecoder.

  /**
   * Octets of a decoded header list, each field counted as name + value + 32, crumbs of `cookie` included; also
   * announced as SETTINGS_MAX_HEADER_LIST_SIZE. Beyond: the stream fails (431), the connection stays.
   * Envoy 60 KiB; h2 (Rust) 16 MiB; Go 1 MiB; nghttp2 64 KiB.
   */
  readonly maxHeaderListBytes: number;
  /** Fields of a header list; beyond likewise (431). Envoy 100; nginx `max_headers` 1000; others have none. */
  readonly maxHeaderCount: number;
  /**
   * Octets of a header block as sent, over all its frames: more than the list limit, so that somewhat too large
   * lists get an answer. Beyond: ENHANCE_YOUR_CALM, since decoding it for its table's sake is the attack.
   * nghttp2 64 KiB; Go 1 MiB + 4 KiB; h2 derives it from its list limit.
   */
  readonly maxHeaderBlockBytes: number;
  /**
   * CONTINUATION frames of a header block. Beyond: ENHANCE_YOUR_CALM (CONTINUATION flood, CVE-2024-27316 and
   * its family). nghttp2 8 (since 1.61); h2: list limit / frame size * 1.25 + 1; Envoy (oghttp2) none.
   */
  readonly maxContinuations: number;
  /** Milliseconds from HEADERS to END_HEADERS. Envoy: `request_headers_timeout`, off by default; Go 10 s guide. */
  readonly headerBlockTimeoutMs: number;
  /** Our SETTINGS_HEADER_TABLE_SIZE: what a peer may make us remember. Everyone's default 4 KiB. */
  readonly headerTableBytes: number;
  /** What we remember for a peer, however much it allows. Envoy, nghttp2, Go 4 KiB; h2 as the peer says. */
  readonly encoderTableBytes: number;

  // Frames. Who checks: FrameReader.

  /** Our SETTINGS_MAX_FRAME_SIZE. Beyond: FRAME_SIZE_ERROR. Envoy, nghttp2, h2 16 KiB; Go 1 MiB. */
  readonly maxFrameBytes: number;
  /** Parameters of a SETTINGS frame. Beyond: ENHANCE_YOUR_CALM. nghttp2 32; Go 100 (since 1.21). */
  readonly maxSettingsPerFrame: number;
  /**
   * DATA, HEADERS or CONTINUATION frames in a row that carry nothing and end nothing. Beyond:
   * ENHANCE_YOUR_CALM (CVE-2019-9518). Envoy 1; nghttp2 bounds them by CPU; Apache 100 (`H2EmptyFrames`).
   */
  readonly maxConsecutiveEmptyFrames: number;
  /** Frames of unknown types in a row, which are ignored. Beyond: ENHANCE_YOUR_CALM. Others have none. */
  readonly maxConsecutiveUnknownFrames: number;

  // Floods. Who counts: the connection.

  /** PRIORITY and PRIORITY_UPDATE frames: this many, and as many again a stream. Envoy 100. */
  readonly maxPriorityPerStream: number;
  /**
   * WINDOW_UPDATE frames: this many for each DATA frame we sent, plus 5 + 2 a stream (opening windows is not a
   * flood). Envoy 10 (`max_inbound_window_update_frames_per_data_frame_sent`) and the same addition.
   */
  readonly maxWindowUpdatesPerData: number;
  /**
   * Streams reset, by either side, and requests refused: a bucket of this many that refills at
   * `resetsPerSecond`. Beyond: ENHANCE_YOUR_CALM (rapid reset CVE-2023-44487, MadeYouReset CVE-2025-8671).
   * nghttp2 1000 and 33; Envoy 500 with half of them premature; h2 20 remote and 1024 of its own; Go 250 (queued).
   */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /**
   * SETTINGS, PING and RST_STREAM frames waiting to be written because the peer does not read. Beyond:
   * the connection is closed (CVE-2019-9512, 9515). Envoy 1000; Go 10,000; nghttp2 1000 (acknowledgements).
   */
  readonly maxQueuedControlFrames: number;
  /**
   * Octets waiting to be written, whatever they are: DATA keeps below it by flow control and watermarks, so only
   * frames that are owed at once reach it. Beyond: closed. Envoy 10,000 frames (`max_outbound_frames`).
   */
  readonly maxQueuedBytes: number;

  // Streams and windows. Who holds: the connection.

  /** Our SETTINGS_MAX_CONCURRENT_STREAMS. Beyond: REFUSED_STREAM. Envoy's edge guide 100; Go 250; h2 none. */
  readonly maxConcurrentStreams: number;
  /** Our SETTINGS_INITIAL_WINDOW_SIZE: what a stream may send unread. Envoy's edge guide 64 KiB; Go 1 MiB. */
  readonly streamWindowBytes: number;
  /** Window of the whole connection. Envoy's edge guide 1 MiB; linkerd 1 MiB; Go 1 MiB. */
  readonly connectionWindowBytes: number;
  /**
   * Octets of a stream that wait for the peer's window: writing reports "full" at the first and "drained" at the
   * second. Envoy 32 KiB in its edge guide (`per_connection_buffer_limit_bytes`), 1 MiB by default.
   */
  readonly highWatermarkBytes: number;
  readonly lowWatermarkBytes: number;
  /**
   * Octets of frames gathered for one write; while the socket takes no more, data beyond waits with its streams.
   * Envoy's edge guide 32 KiB (connection buffer); h2 about 16 KiB a write.
   */
  readonly gatherBytes: number;
  /**
   * Streams that we reset and still know, so that frames sent before the peer heard of it are ignored (RFC 9113
   * section 5.1) and not errors. The oldest are forgotten. nghttp2 remembers 100; h2 50 for 30 s.
   */
  readonly maxRememberedResets: number;
  /** Milliseconds until our SETTINGS must be acknowledged. Beyond: SETTINGS_TIMEOUT. Go 2 s for the first frame. */
  readonly settingsAckTimeoutMs: number;
  /** Informational (1xx) answers before the final one. Beyond: stream error. As our HTTP/1.1. Go 5 (client). */
  readonly maxInformational: number;
}

export const defaultHttp2Limits: Http2Limits = {
  maxHeaderListBytes: 60 * 1024,
  maxHeaderCount: 100,
  maxHeaderBlockBytes: 128 * 1024,
  maxContinuations: 8,
  headerBlockTimeoutMs: 10_000,
  headerTableBytes: 4096,
  encoderTableBytes: 4096,
  maxFrameBytes: 16 * 1024,
  maxSettingsPerFrame: 32,
  maxConsecutiveEmptyFrames: 1,
  maxConsecutiveUnknownFrames: 100,
  maxPriorityPerStream: 100,
  maxWindowUpdatesPerData: 10,
  resetBurst: 1000,
  resetsPerSecond: 33,
  maxQueuedControlFrames: 1000,
  maxQueuedBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 100,
  streamWindowBytes: 64 * 1024,
  connectionWindowBytes: 1024 * 1024,
  highWatermarkBytes: 32 * 1024,
  lowWatermarkBytes: 16 * 1024,
  gatherBytes: 47 * 1024,
  maxRememberedResets: 1000,
  settingsAckTimeoutMs: 10_000,
  maxInformational: 8,
};
