import { connectionError, errorCodes } from "../errors.ts";

const protocol = (reason: string, detail: string) =>
  connectionError(errorCodes.protocolError, reason, detail);
const size = (reason: string, detail: string) => connectionError(errorCodes.frameSizeError, reason, detail);
const calm = (reason: string, detail: string) => connectionError(errorCodes.enhanceYourCalm, reason, detail);

/** The frame reader's connection errors, each allocated once. */
export const errors = {
  preface: protocol("preface", "connection does not start with the HTTP/2 preface"),
  firstFrame: protocol("first_frame", "first frame is not SETTINGS"),
  frameTooLarge: size("frame_too_large", "frame exceeds SETTINGS_MAX_FRAME_SIZE"),
  frameSize: size("frame_size", "frame has a size that its type does not allow"),
  onConnection: protocol("stream_zero", "frame of a stream on stream 0"),
  onStream: protocol("stream_not_zero", "frame of the connection on a stream"),
  padding: protocol("padding", "padding exceeds its frame"),
  continuationExpected: protocol("continuation_expected", "frame inside another stream's header block"),
  continuation: protocol("continuation", "CONTINUATION without a header block"),
  promisedId: protocol("promised_id", "promised stream id is not a server's"),
  zeroIncrement: protocol("zero_increment", "WINDOW_UPDATE of 0"),
  setting: protocol("setting", "SETTINGS parameter has a value that it must not have"),
  settingWindow: connectionError(
    errorCodes.flowControlError,
    "setting_window",
    "SETTINGS_INITIAL_WINDOW_SIZE exceeds 2^31-1",
  ),
  settingsFlood: calm("too_many_settings", "SETTINGS frame has more parameters than the limit"),
  blockTooLarge: calm("block_too_large", "header block exceeds its limit"),
  continuationFlood: calm("continuation_flood", "more CONTINUATION frames than the limit"),
  emptyFlood: calm("empty_frames", "more empty frames in a row than the limit"),
  unknownFlood: calm("unknown_frames", "more frames of unknown types in a row than the limit"),
} as const;
