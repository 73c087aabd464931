import { calmError, connectionError, errorCodes, protocolError } from "../errors.ts";

const flow = (reason: string, detail: string) => connectionError(errorCodes.flowControlError, reason, detail);

/** Errors of the whole connection, each allocated once. */
export const errors = {
  idleStream: protocolError("idle_stream", "frame on a stream that was never opened"),
  closedStream: connectionError(errorCodes.streamClosed, "closed_stream", "HEADERS on a closed stream"),
  pushed: protocolError("push_promise", "PUSH_PROMISE though push is disabled"),
  enablePush: protocolError("enable_push", "a server must not enable push"),
  connectProtocol: protocolError("connect_protocol", "SETTINGS_ENABLE_CONNECT_PROTOCOL was taken back"),
  settingsAck: protocolError("settings_ack", "acknowledgement of SETTINGS that were not sent"),
  goawayRaised: protocolError("goaway_raised", "GOAWAY raises the last stream id"),
  window: flow("connection_window", "more data than the connection's window allows"),
  windowOverflow: flow("window_overflow", "the connection's window exceeds 2^31-1"),
  settingOverflow: flow(
    "setting_overflow",
    "SETTINGS_INITIAL_WINDOW_SIZE makes a stream's window exceed 2^31-1",
  ),
  resets: calmError("reset_flood", "more reset streams than the limit"),
  priorities: calmError("priority_flood", "more PRIORITY frames than the limit"),
  windowUpdates: calmError("window_update_flood", "more WINDOW_UPDATE frames than the limit"),
  unread: calmError("outbound_flood", "too much waits to be read by the peer"),
  settingsTimeout: connectionError(
    errorCodes.settingsTimeout,
    "settings_timeout",
    "SETTINGS were not acknowledged in time",
  ),
  blockTimeout: calmError("header_block_timeout", "a header block was not completed in time"),
  closed: connectionError(errorCodes.noError, "closed", "the connection was closed"),
} as const;
