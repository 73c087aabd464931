export { OutputBuffer } from "../output.ts";
export { FrameReader } from "./reader.ts";
export {
  type FrameHandler,
  frameFlags,
  frameHeadBytes,
  frameTypes,
  initialWindow,
  maxMaxFrameSize,
  maxWindow,
  minMaxFrameSize,
  settingIds,
} from "./types.ts";
export { FrameWriter } from "./writer.ts";
