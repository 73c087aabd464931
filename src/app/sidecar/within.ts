import type { Clock } from "../../base/index.ts";

/** Runs `work` with a signal that is aborted after `ms`; rejects then, whether or not `work` heeds it. */
export function within<T>(clock: Clock, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const late = clock.after(ms, () => {
      reject(new Error(`no answer within ${ms / 1000} s`));
      abort.abort();
    });
    work(abort.signal)
      .finally(() => late.cancel())
      .then(resolve, reject);
  });
}
