/** Who is asked for what: the aggregated stream, streams of one type, files. */
import type { Clock, Logger, Rng } from "../../base/index.ts";
import {
  deltaDialect,
  type FeedPlan,
  type NodeIdentity,
  sotwDialect,
  streamFeed,
  type Want,
} from "../../xds/client/index.ts";
import {
  aggregated,
  type DiscoveryService,
  discoveryServices,
  shortTypeName,
  typeUrl,
} from "../../xds/protocol/index.ts";
import { describeProblems, Findings, Path } from "../compile/index.ts";
import { type Channels, channelsTo } from "./channel.ts";
import { fileFeed } from "./file-feed.ts";
import { sourceOf } from "./source.ts";
import type { DiscoveryConfig, GrpcSource, Source } from "./types.ts";

export interface PlanOptions {
  readonly config: DiscoveryConfig;
  readonly node: NodeIdentity;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

export interface Plan extends FeedPlan {
  /** Closes what the feeds opened. */
  close(): void;
}

/** Behind a feed's name. */
interface Asked {
  readonly source: Source;
  /** The one type; undefined: all. */
  readonly typeUrl: string | undefined;
}

const ads = "ads";

export function planOf(options: PlanOptions): Plan {
  const { config } = options;
  const asked = new Map<string, Asked>();
  const channels: Channels[] = [];

  /** One feed for each source and type, however often it is named. */
  function feedFor(source: Source, url: string): string {
    if (source.kind === "ads") return ads;
    const where = source.kind === "file" ? source.path : source.target.name;
    for (let n = 0; ; n++) {
      const name = `${shortTypeName(url)} ${where}${n === 0 ? "" : ` (${n})`}`;
      const known = asked.get(name);
      if (known === undefined) asked.set(name, { source, typeUrl: url });
      if (known === undefined || JSON.stringify(known.source) === JSON.stringify(source)) return name;
    }
  }

  const everything = new Map<string, string>();
  if (config.clusters) everything.set(typeUrl.cluster, feedFor(config.clusters.source, typeUrl.cluster));
  if (config.listeners) everything.set(typeUrl.listener, feedFor(config.listeners.source, typeUrl.listener));
  const fixed = config.fixed.map(
    (f): Want => ({ typeUrl: f.typeUrl, name: f.name, feed: feedFor(f.source, f.typeUrl) }),
  );

  function streamOf(
    name: string,
    source: GrpcSource,
    url: string | undefined,
  ): Parameters<typeof streamFeed>[0] {
    const service: DiscoveryService = discoveryServices.find((s) => s.typeUrl === url) ?? aggregated;
    const { delta, nodeOnce } = source;
    const to = channelsTo(source, options.clock);
    channels.push(to);
    const { node, clock, rng, log } = options;
    return {
      name,
      channel: to.at,
      path: delta ? service.delta : service.sotw,
      dialect: delta ? deltaDialect() : sotwDialect(),
      node,
      nodeOnce,
      ...{ clock, rng, log },
    };
  }

  return {
    everything,
    fixed,
    feedOf(reference) {
      const findings = new Findings();
      const source = sourceOf(reference.source, config.targets, Path.root("config_source"), findings);
      if (findings.errors.length > 0) throw new Error(describeProblems(findings.errors));
      if (source === undefined) return undefined;
      if (source.kind === "ads" && config.ads === undefined)
        throw new Error(`${reference.name}: there is no ads_config to ask`);
      return feedFor(source, reference.typeUrl);
    },
    open(name, host) {
      const { source, typeUrl: url } = asked.get(name) ?? { source: { kind: ads }, typeUrl: undefined };
      const { clock, log } = options;
      if (source.kind === "file") return fileFeed({ ...source, typeUrl: url ?? "", clock, log }, host);
      const grpc = source.kind === "grpc" ? source : config.ads;
      if (grpc === undefined) throw new Error(`${name}: there is no ads_config`);
      return streamFeed(streamOf(name, grpc, url), host);
    },
    close: () => {
      for (const c of channels) c.close();
    },
  };
}
