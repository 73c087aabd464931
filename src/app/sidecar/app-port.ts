/** The application's own port on 127.0.0.1: chosen here, listened on by the application a moment later. */
import { type Clock, delay, type Rng } from "../../base/index.ts";
import { Problem } from "../problem/index.ts";
import { limits } from "./limits.ts";
import type { Hold } from "./state.ts";

export interface AppPortOptions {
  /** The one of this instance's last life. */
  readonly last: number | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly hold: Hold;
  /** Default: by listening on it. */
  readonly free?: (port: number) => boolean;
}

/**
 * A port that nobody listens on and no other sidecar of this machine was given; held until released. The last one is
 * waited for a moment: a command that was just ended may not have closed it yet, and what was kept is for that port.
 */
export async function allotPort(
  options: AppPortOptions,
): Promise<{ readonly port: number; release(): void }> {
  const { last, rng, hold, clock, free = canListen } = options;
  const take = (port: number) => {
    const held = hold(`app-port/${port}`);
    if (held === undefined) return undefined;
    if (free(port)) return { port, release: () => held.release() };
    held.release();
    return undefined;
  };
  const end = clock.now() + limits.orphanMs;
  for (let before = last; before !== undefined; ) {
    const got = take(before);
    if (got) return got;
    if (clock.now() >= end) before = undefined;
    else await delay(clock, limits.orphanPollMs);
  }
  const count = limits.appPortTo - limits.appPortFrom;
  for (let i = 0; i < limits.appPortAttempts; i++) {
    const got = take(limits.appPortFrom + rng.int(count));
    if (got) return got;
  }
  throw new Problem(`no free port on 127.0.0.1 after ${limits.appPortAttempts} tries`, {
    mend: "name one with --app-port",
  });
}

function canListen(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, exclusive: true, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
