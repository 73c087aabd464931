import { type FrameWriter, initialWindow, settingIds } from "../frames/index.ts";
import type { Http2Limits } from "../limits.ts";

/** What both sides announce: [id, value, ...]. Values that are the initial ones are left out. */
export function ownSettings(limits: Http2Limits): number[] {
  const values: number[] = [];
  const put = (id: number, value: number, initial: number): void => {
    if (value !== initial) values.push(id, value);
  };
  put(settingIds.headerTableSize, limits.headerTableBytes, 4096);
  put(settingIds.initialWindowSize, limits.streamWindowBytes, initialWindow);
  put(settingIds.maxFrameSize, limits.maxFrameBytes, 16384);
  put(settingIds.maxHeaderListSize, limits.maxHeaderListBytes, -1);
  return values;
}

/** The connection's window has no SETTINGS: what is above the initial one is given by WINDOW_UPDATE. */
export function raiseWindow(writer: FrameWriter, limits: Http2Limits): void {
  const more = limits.connectionWindowBytes - initialWindow;
  if (more > 0) writer.windowUpdate(0, more);
}
