/** Asks the application whether it is ready, and says when the answer changes. */
import type { Clock, Timer } from "../../base/index.ts";
import { limits } from "./limits.ts";

export interface ProbeOptions {
  readonly clock: Clock;
  /** One try; never rejects. */
  readonly probe: () => Promise<boolean>;
  /** Called at each change; the first call says ready. */
  readonly onChange: (ready: boolean) => void;
}

export interface Prober {
  stop(): void;
}

/** Probes fast until ready, then slowly; three failures in a row make it unready again. */
export function startProbing({ clock, probe, onChange }: ProbeOptions): Prober {
  let ready = false;
  let failures = 0;
  let stopped = false;
  let timer: Timer | undefined;
  const round = async (): Promise<void> => {
    const good = await probe();
    if (stopped) return;
    failures = good ? 0 : failures + 1;
    if (ready ? failures >= limits.probeFailures : good) {
      ready = good;
      onChange(ready);
    }
    timer = clock.after(ready ? limits.probeSlowMs : limits.probeFastMs, () => void round());
  };
  void round();
  return {
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

/** GET on 127.0.0.1: 2xx and 3xx are ready, as for kubelet. Without a path: the port accepts, on `address`. */
export function applicationProbe(
  port: number,
  path: string | undefined,
  address = "127.0.0.1",
): () => Promise<boolean> {
  return path === undefined ? () => accepts(address, port) : () => answers(port, path);
}

async function answers(port: number, path: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path.startsWith("/") ? path : `/${path}`}`, {
      redirect: "manual",
      headers: { "user-agent": "weft-probe", connection: "close" },
      signal: AbortSignal.timeout(limits.probeTimeoutMs),
    });
    await response.body?.cancel();
    return response.status >= 200 && response.status < 400;
  } catch {
    return false;
  }
}

async function accepts(hostname: string, port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname, port, socket: { data() {}, error() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
