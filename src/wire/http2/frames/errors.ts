import { calmError, connectionError, errorCodes, protocolError } from "../errors.ts";

const size = (reason: string, detail: string) => connectionError(errorCodes.frameSizeError, reason, detail);

/** The frame reader's connection errors, each allocated once. */
export const errors = {
  preface: protocolError("preface", "connection does not start with the HTTP/2 preface"),
  firstFrame: protocolError("first_frame", "first frame is not SETTINGS"),
  frameTooLarge: size("frame_too_large", "frame exceeds SETTINGS_MAX_FRAME_SIZE"),
  frameSize: size("frame_size", "frame has a size that its type does not allow"),
  onConnection: protocolError("stream_zero", "frame of a stream on stream 0"),
  onStream: protocolError("stream_not_zero", "frame of the connection on a stream"),
  padding: protocolError("padding", "padding exceeds its frame"),
  continuationExpected: protocolError("continuation_expected", "frame inside another stream's header block"),
  continuation: protocolError("continuation", "CONTINUATION without a header block"),
  promisedId: protocolError("promised_id", "promised stream id is not a server's"),
  zeroIncrement: protocolError("zero_increment", "WINDOW_UPDATE of 0"),
  setting: protocolError("setting", "SETTINGS parameter has a value that it must not have"),
  settingWindow: connectionError(
    errorCodes.flowControlError,
    "setting_window",
    "SETTINGS_INITIAL_WINDOW_SIZE exceeds 2^31-1",
  ),
  settingsFlood: calmError("too_many_settings", "SETTINGS frame has more parameters than the limit"),
  blockTooLarge: calmError("block_too_large", "header block exceeds its limit"),
  continuationFlood: calmError("continuation_flood", "more CONTINUATION frames than the limit"),
  emptyFlood: calmError("empty_frames", "more empty frames in a row than the limit"),
  unknownFlood: calmError("unknown_frames", "more frames of unknown types in a row than the limit"),
} as const;
