/** The sidecar's client: everything but secrets over one delta stream of the aggregated service. */
import type { Rng } from "../../base/index.ts";
import type { GrpcChannel } from "../../wire/grpc/index.ts";
import { aggregated, typeUrl } from "../protocol/index.ts";
import { type ClientOptions, createClient, type FeedPlan, type XdsClient } from "./client.ts";
import { deltaDialect, sotwDialect } from "./dialect.ts";
import { limits } from "./limits.ts";
import { streamFeed } from "./stream-feed.ts";
import type { NodeIdentity } from "./types.ts";

export interface XdsClientOptions extends Omit<ClientOptions, "plan"> {
  readonly channel: Pick<GrpcChannel, "bidi">;
  /** Default `delta`. */
  readonly variant?: "delta" | "sotw";
  readonly node: NodeIdentity;
  readonly rng: Rng;
  /** Ask for the names too. Default false. */
  readonly names?: boolean;
}

const name = "ads";

/** Nothing happens before start(). Secrets that resources name are not asked for: the agent has its own. */
export function createXdsClient(options: XdsClientOptions): XdsClient {
  const { channel, node, clock, rng, log } = options;
  const delta = options.variant !== "sotw";
  const plan: FeedPlan = {
    everything: new Map([
      [typeUrl.cluster, name],
      [typeUrl.listener, name],
      ...(options.names === true ? ([[typeUrl.nameTable, name]] as const) : []),
    ]),
    feedOf: (reference) => (reference.typeUrl === typeUrl.secret ? undefined : name),
    open: (_name, host) =>
      streamFeed(
        {
          name,
          channel: () => channel,
          path: delta ? aggregated.delta : aggregated.sotw,
          dialect: delta ? deltaDialect() : sotwDialect(),
          node,
          nodeOnce: true,
          reconnectMaxMs: limits.sidecarReconnectMaxMs,
          clock,
          rng,
          log,
        },
        host,
      ),
  };
  return createClient({ ...options, plan });
}
