/** The application's own port on 127.0.0.1: chosen here, listened on by the application a moment later. */
import type { Rng } from "../../base/index.ts";
import { Problem } from "../problem/index.ts";
import { limits } from "./limits.ts";
import type { Hold } from "./state.ts";

export interface AppPortOptions {
  /** The one of this instance's last life. */
  readonly last: number | undefined;
  readonly rng: Rng;
  readonly hold: Hold;
  /** Default: by listening on it. */
  readonly free?: (port: number) => boolean;
}

/** A port that nobody listens on and no other sidecar of this machine was given; held until released. */
export function allotPort(options: AppPortOptions): { readonly port: number; release(): void } {
  const { last, rng, hold, free = canListen } = options;
  const take = (port: number) => {
    const held = hold(`app-port/${port}`);
    if (held === undefined) return undefined;
    if (free(port)) return { port, release: () => held.release() };
    held.release();
    return undefined;
  };
  const before = last === undefined ? undefined : take(last);
  if (before) return before;
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
