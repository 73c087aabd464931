/** What every part of a data thread works with. */
import type { Rng } from "../../base/index.ts";
import type { FromWorker } from "../config/index.ts";
import type { SharedCounts } from "./breaker.ts";
import type { HeldClock } from "./held-clock.ts";
import type { Metrics } from "./metrics.ts";
import type { Net } from "./net.ts";
import type { TimerWheel } from "./timer-wheel.ts";

export interface Runtime {
  /** Held while an event of a socket is served. */
  readonly clock: HeldClock;
  readonly rng: Rng;
  /** Where plain connections come from. */
  readonly net: Net;
  readonly wheel: TimerWheel;
  /** The table of config/shared.ts. */
  readonly table: Int32Array;
  /** Breaker counts and active requests in that table. */
  readonly counts: SharedCounts;
  readonly metrics: Metrics;
  readonly post: (message: FromWorker) => void;
}
