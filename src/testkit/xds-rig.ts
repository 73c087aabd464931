/** A server with a source in memory and clients that write down what they are given, over gRPC on loopback. */
import { createLogger, seededRng, systemClock } from "../base/index.ts";
import {
  createGrpcChannel,
  createGrpcServer,
  GrpcError,
  type GrpcServer,
  grpcCode,
} from "../wire/grpc/index.ts";
import {
  type ApplyError,
  type ConfigSink,
  type ConfigUpdate,
  createXdsClient,
  type XdsClient,
} from "../xds/client/index.ts";
import { shortTypeName } from "../xds/protocol/index.ts";
import { createXdsServer, type XdsServer } from "../xds/server/index.ts";
import { createTestSource, make, type TestSource } from "./xds-source.ts";

const log = createLogger({ sink: () => {} });
const rng = seededRng(1);
/** To be undone after each test, the last first. */
export const cleanup: (() => unknown)[] = [];

export async function undo(): Promise<void> {
  for (const fn of cleanup.splice(0).reverse()) await fn();
}

/** Resolves when `ready` holds; asked after each event that is passed to `poke`. */
function waiter() {
  const waiting = new Set<{ ready: () => boolean; resolve: () => void }>();
  return {
    poke: () => {
      for (const w of [...waiting])
        if (w.ready()) {
          waiting.delete(w);
          w.resolve();
        }
    },
    until: (ready: () => boolean) =>
      new Promise<void>((resolve) => {
        if (ready()) resolve();
        else waiting.add({ ready, resolve });
      }),
  };
}

export interface Recorder extends ConfigSink {
  readonly updates: ConfigUpdate[];
  /** `CDS+a,b-c` for each update. */
  readonly story: string[];
  readonly until: (ready: () => boolean) => Promise<void>;
  readonly poke: () => void;
  refuse: (update: ConfigUpdate) => ApplyError[];
}

export function recorder(): Recorder {
  const { poke, until } = waiter();
  const self: Recorder = {
    updates: [],
    story: [],
    until,
    poke,
    refuse: () => [],
    async apply(update) {
      self.updates.push(update);
      const added = update.added.map((r) => r.name).join(",");
      const removed = update.removed.map((name) => `-${name}`).join("");
      self.story.push(`${shortTypeName(update.typeUrl)}+${added}${removed}`);
      queueMicrotask(poke);
      return { errors: self.refuse(update) };
    },
  };
  return self;
}

export interface Rig {
  readonly source: TestSource;
  readonly xds: XdsServer;
  readonly grpc: GrpcServer;
}

export async function serve(
  o: { source?: TestSource; port?: number; deny?: () => boolean } = {},
): Promise<Rig> {
  const source = o.source ?? createTestSource();
  const xds = createXdsServer({
    source,
    authenticate: async () => {
      if (o.deny?.() === true) throw new GrpcError(grpcCode.unauthenticated, "who are you");
      return { namespace: "default", serviceAccount: "reviews" };
    },
    clock: systemClock,
    log,
  });
  const grpc = await createGrpcServer({
    host: "127.0.0.1",
    port: o.port ?? 0,
    methods: xds.methods,
    clock: systemClock,
    log,
  });
  cleanup.push(() => grpc.stop());
  return { source, xds, grpc };
}

export function client(
  port: number,
  sink: Recorder,
  o: Partial<Parameters<typeof createXdsClient>[0]> = {},
): XdsClient {
  const channel = createGrpcChannel({ target: `127.0.0.1:${port}`, clock: systemClock });
  const c = createXdsClient({
    channel,
    node: {
      id: "sidecar~reviews-v1.default",
      cluster: "reviews",
      metadata: { FEATURES: ["a"], NAMESPACE: "lie" },
    },
    sink,
    clock: systemClock,
    rng,
    log,
    onStatus: sink.poke,
    ...o,
  });
  cleanup.push(async () => {
    await c.stop();
    channel.close();
  });
  return c;
}

export function bookinfo(source: TestSource): void {
  source.put(
    make.cluster("a"),
    make.cluster("b"),
    make.endpoints("a"),
    make.endpoints("b"),
    make.listener("l", "http_proxy"),
    make.route("http_proxy"),
  );
}
