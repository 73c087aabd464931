export { AssertionError, assert, unreachable } from "./assert.ts";
export { type Backoff, backoff } from "./backoff.ts";
export { type Clock, delay, systemClock, type Timer } from "./clock.ts";
export { createLogger, type Logger, type LogLevel, type LogSink, logLevels, setLogLevel } from "./log.ts";
export { type Rng, seededRng, systemRng } from "./rng.ts";
export { sameJson } from "./same-json.ts";
