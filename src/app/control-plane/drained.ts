/** Tells a draining instance that every proxy knows: nobody will send it a new request. */
import type { Clock, Logger, Rng, Timer } from "../../base/index.ts";
import {
  createInformer,
  isKubeError,
  type KubeClient,
  type KubeObject,
  refs,
} from "../../kube/client/index.ts";
import { typeUrl } from "../../xds/protocol/index.ts";
import type { ProxyStatus, TypeStatus } from "../../xds/server/index.ts";

const draining = "weft.dev/draining";
const drained = "weft.dev/drained";
/** Between two looks while somebody drains. */
const lookMs = 25;
/** Instances give up waiting after 5 s; so does this. */
const giveUpMs = 6_000;

export interface DrainedOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Wall clock of the last translation. */
  readonly translatedAt: () => number | undefined;
  readonly proxies: () => readonly ProxyStatus[];
}

interface Waiting {
  readonly object: KubeObject;
  readonly since: number;
  readonly sinceWall: number;
}

const keyOf = (o: KubeObject): string => `${o.metadata.namespace}/${o.metadata.name}`;

/**
 * No endpoints are on their way to the proxy. One that refused them has answered too: it goes on with what it had, and
 * waiting longer would change nothing. Other types say nothing of where requests go.
 */
export function endpointsSettled({ types }: Pick<ProxyStatus, "types">): boolean {
  const settled = (t: TypeStatus): boolean =>
    t.state !== "STALE" || (t.nack !== undefined && t.nack.at >= (t.sentAt ?? 0));
  return types.every((t) => t.typeUrl !== typeUrl.endpoints || settled(t));
}

/** Watches WorkloadEntries and annotates those that drain once no push to a proxy is waiting for its ACK. */
export function watchDrains(options: DrainedOptions): { stop(): void } {
  const { client, clock, log } = options;
  const waiting = new Map<string, Waiting>();
  let timer: Timer | undefined;
  const look = (): void => {
    timer = undefined;
    const settled = options.proxies().every(endpointsSettled);
    for (const [key, w] of waiting) {
      // The translation that saw the annotation began after the annotation was seen here, or in the same turn.
      const seen = (options.translatedAt() ?? 0) >= w.sinceWall;
      if (seen && settled && clock.now() - w.since >= 2 * lookMs) {
        waiting.delete(key);
        void tell(w.object);
      } else if (clock.now() - w.since > giveUpMs) waiting.delete(key);
    }
    if (waiting.size > 0) timer = clock.after(lookMs, look);
  };
  const tell = async ({ metadata: { namespace, name } }: KubeObject): Promise<void> => {
    try {
      await client.patch(
        refs.workloadEntry,
        { namespace, name },
        { metadata: { annotations: { [drained]: "true" } } },
      );
    } catch (error) {
      if (!isKubeError(error, 404))
        log.warn("a draining instance could not be told", { error: String(error) });
    }
  };
  const informer = createInformer<KubeObject>(client, refs.workloadEntry, {
    ...{ clock, rng: options.rng, log },
    onChange: ({ type, object }) => {
      const key = keyOf(object);
      const notes = object.metadata.annotations ?? {};
      if (type === "deleted" || notes[draining] !== "true" || notes[drained] === "true") waiting.delete(key);
      else if (!waiting.has(key)) {
        waiting.set(key, { object, since: clock.now(), sinceWall: clock.wall() });
        timer ??= clock.after(lookMs, look);
      }
    },
  });
  informer.start();
  return {
    stop() {
      informer.stop();
      timer?.cancel();
      waiting.clear();
    },
  };
}
