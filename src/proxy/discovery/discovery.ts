/** A proxy's configuration from wherever its bootstrap says, at run time. */
import type { Clock, Logger, Rng, Timer } from "../../base/index.ts";
import {
  type ConfigSink,
  createClient,
  type NodeIdentity,
  type XdsClientStatus,
} from "../../xds/client/index.ts";
import { typeUrl } from "../../xds/protocol/index.ts";
import { planOf } from "./plan.ts";
import type { DiscoveryConfig } from "./types.ts";

export interface DiscoveryOptions {
  readonly config: DiscoveryConfig;
  readonly node: NodeIdentity;
  readonly sink: ConfigSink;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly onStatus?: (status: XdsClientStatus) => void;
}

export interface Discovery {
  status(): XdsClientStatus;
  stop(): Promise<void>;
}

const kinds: Readonly<Record<string, string>> = {
  [typeUrl.cluster]: "cluster",
  [typeUrl.listener]: "listener",
};

/** What the file has itself stays the file's, as in Envoy. */
function guarded(sink: ConfigSink, own: readonly string[]): ConfigSink {
  const taken = new Set(own);
  return {
    async apply(update) {
      const kind = kinds[update.typeUrl];
      const isOwn = (name: string): boolean => kind !== undefined && taken.has(`${kind} ${name}`);
      const { errors } = await sink.apply({
        ...update,
        added: update.added.filter((r) => !isOwn(r.name)),
        removed: update.removed.filter((name) => !isOwn(name)),
      });
      const refused = update.added.filter((r) => isOwn(r.name));
      const message = "is among the static resources of the proxy's own file, and stays";
      return { errors: [...errors, ...refused.map(({ name }) => ({ name, message }))] };
    },
    ...(sink.clustersInUse ? { clustersInUse: sink.clustersInUse } : {}),
  };
}

/** Asks at once and goes on until stopped. */
export async function startDiscovery(options: DiscoveryOptions): Promise<Discovery> {
  const { config, clock, log, onStatus } = options;
  const plan = planOf(options);
  const client = createClient({
    plan,
    sink: guarded(options.sink, config.own),
    clock,
    log,
    ...(onStatus ? { onStatus } : {}),
  });
  await client.start();
  const waits = waitForFirst(options);
  return {
    status: () => client.status(),
    async stop() {
      waits?.cancel();
      await client.stop();
      plan.close();
    },
  };
}

/** initial_fetch_timeout of listeners: a proxy that heard nothing goes on with what it has. */
function waitForFirst({ config, clock, log, sink }: DiscoveryOptions): Timer | undefined {
  const { listeners } = config;
  if (listeners === undefined || listeners.fetchMs === 0) return undefined;
  return clock.after(listeners.fetchMs, () => {
    sink.apply({ typeUrl: typeUrl.listener, added: [], removed: [] }).catch((error: unknown) => {
      log.error("listeners were not heard of in time, and that could not be told", { error: String(error) });
    });
  });
}
