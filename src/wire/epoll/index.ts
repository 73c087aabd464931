export { type Listening, type ListenOptions, listen } from "./accept.ts";
export { type DialOptions, dial } from "./dial.ts";
export { EpollLoop, type LoopOptions, type Watcher } from "./loop.ts";
export { EpollStream, type StreamSlot, Streams, type StreamUser } from "./stream.ts";
