/** Runs the HTTP/2 frame reader over bytes cut into pieces and notes what it said, for codec tests. */
import type { Http2Error } from "../wire/http2/errors.ts";
import { type FrameHandler, FrameReader } from "../wire/http2/frames/index.ts";
import type { Http2Limits } from "../wire/http2/limits.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

export interface FrameEvent {
  readonly kind: string;
  readonly streamId: number;
  readonly [field: string]: unknown;
}

export interface DataEvent extends FrameEvent {
  text: string;
  length: number;
  padding: number;
  endStream: boolean;
}

export interface FrameTrace {
  readonly events: readonly FrameEvent[];
  readonly error: Http2Error | null;
  readonly idle: boolean;
  readonly midBlock: boolean;
}

/** Notes each event as plain data. Pieces of one DATA frame are one event: how it was cut is the network's business. */
export class FrameRecorder implements FrameHandler {
  readonly events: FrameEvent[] = [];
  private open: DataEvent | null = null;

  onData(streamId: number, chunk: Uint8Array, length: number, padding: number, endStream: boolean): null {
    if (this.open === null) {
      this.open = { kind: "data", streamId, text: "", length, padding: 0, endStream: false };
      this.events.push(this.open);
    } else if (length !== 0 || streamId !== this.open.streamId) throw new Error("DATA inside DATA");
    const { open } = this;
    open.text += text(chunk);
    open.padding += padding;
    open.endStream = endStream;
    const rest = open.length - open.text.length - open.padding;
    if (rest < 0 || (endStream && rest > 0)) throw new Error("DATA does not add up");
    if (rest === 0) this.open = null;
    return null;
  }
  onHeaders(streamId: number, block: Uint8Array, endStream: boolean, fault: Http2Error | null): null {
    return this.note("headers", streamId, { block: text(block), endStream, fault });
  }
  onPushPromise(streamId: number, promisedId: number, block: Uint8Array): null {
    return this.note("push", streamId, { promisedId, block: text(block) });
  }
  onPriority(streamId: number): null {
    return this.note("priority", streamId, {});
  }
  onRstStream(streamId: number, code: number): null {
    return this.note("reset", streamId, { code });
  }
  onSettings(values: readonly number[]): null {
    return this.note("settings", 0, { values: [...values] });
  }
  onSettingsAck(): Http2Error | null {
    return this.note("settingsAck", 0, {});
  }
  onPing(ack: boolean, payload: Uint8Array): null {
    return this.note("ping", 0, { ack, payload: text(payload) });
  }
  onGoaway(lastStreamId: number, code: number, debug: Uint8Array): null {
    return this.note("goaway", 0, { lastStreamId, code, debug: text(debug) });
  }
  onWindowUpdate(streamId: number, increment: number): null {
    return this.note("windowUpdate", streamId, { increment });
  }
  onStreamError(error: Http2Error): null {
    return this.note("streamError", error.streamId, { error });
  }

  private note(kind: string, streamId: number, fields: Readonly<Record<string, unknown>>): null {
    this.events.push({ kind, streamId, ...fields });
    return null;
  }
}

/** Each piece is fed from an array that is overwritten afterwards, as a socket's buffer is. */
export function traceFrames(
  role: "client" | "server",
  pieces: readonly Uint8Array[],
  limits?: Http2Limits,
): FrameTrace {
  const recorder = new FrameRecorder();
  const reader = new FrameReader(role, recorder, limits);
  let error: Http2Error | null = null;
  for (const piece of pieces) {
    const bytes = Uint8Array.from(piece);
    error = reader.feed(bytes);
    bytes.fill(0x21);
  }
  return { events: recorder.events, error, idle: reader.idle, midBlock: reader.midBlock };
}
