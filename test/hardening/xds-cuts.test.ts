/**
 * An update of clusters, endpoints, listeners and routes whose stream is cut before each of its messages in turn, in
 * either direction, while 500 requests a second go through a real proxy: each of them is answered 200.
 */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, delay, systemClock } from "../../src/base/index.ts";
import type { Standalone } from "../../src/proxy/bootstrap/index.ts";
import { ads, adsBootstrap, freePort, make, startProxy } from "../../src/testkit/dynamic.ts";
import { createTestSource, type TestSource } from "../../src/testkit/xds-source.ts";
import { createGrpcServer, type GrpcMethod, grpcCode, type ServerStream } from "../../src/wire/grpc/index.ts";
import { typeUrl } from "../../src/xds/protocol/index.ts";
import { createXdsServer } from "../../src/xds/server/index.ts";

/** A real mesh starts and stops here: on a starved machine that takes longer than the default of 5 s. */
setDefaultTimeout(60_000);

const log = createLogger({ sink: () => {} });
const clock = systemClock;
const dir = mkdtempSync(join(tmpdir(), "weft-cuts-"));
const stops: (() => unknown)[] = [];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Messages in both directions since `arm`; the one before which the stream ends. */
class Scissors {
  passed = 0;
  private at: number | undefined;

  arm(at: number): void {
    this.passed = 0;
    this.at = at;
  }

  /** True: this message is not to pass any more. */
  cut(): boolean {
    this.passed++;
    if (this.passed !== this.at) return false;
    this.at = undefined;
    return true;
  }

  get fell(): boolean {
    return this.at === undefined;
  }

  around(method: GrpcMethod): GrpcMethod {
    const handle = method.handle as (stream: ServerStream<unknown>) => void;
    const end = { code: grpcCode.unavailable, message: "cut" };
    return {
      ...method,
      handle: (stream: ServerStream<unknown>) => {
        const inner: ServerStream<unknown> = {
          metadata: stream.metadata,
          peer: stream.peer,
          onMessage: () => {},
          onEnd: () => {},
          onClose: () => {},
          onDrain: () => {},
          write: (message) => {
            if (!this.cut()) return stream.write(message);
            stream.end(end);
            return false;
          },
          end: (error) => stream.end(error),
        };
        handle(inner);
        stream.onMessage = (message) => (this.cut() ? stream.end(end) : inner.onMessage(message));
        stream.onEnd = () => inner.onEnd();
        stream.onClose = () => inner.onClose();
        stream.onDrain = () => inner.onDrain();
      },
    };
  }
}

async function serve(source: TestSource, scissors: Scissors): Promise<number> {
  const xds = createXdsServer({ source, authenticate: async () => undefined, clock, log });
  const methods = xds.methods.map((m) => scissors.around(m));
  const server = await createGrpcServer({ host: "127.0.0.1", port: 0, methods, clock, log });
  stops.push(() => server.stop());
  return server.port;
}

async function start(xdsPort: number, type: "GRPC" | "DELTA_GRPC"): Promise<Standalone> {
  const proxy = await startProxy(dir, adsBootstrap(xdsPort, type));
  stops.push(() => proxy.stop());
  return proxy;
}

function backend(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("ok") });
  stops.push(() => server.stop(true));
  return server.port!;
}

/** 500 requests a second, whatever the answers do. */
function load(url: string) {
  const answers: Record<string, number> = {};
  const open = new Set<Promise<void>>();
  const count = (what: string): void => {
    answers[what] = (answers[what] ?? 0) + 1;
  };
  const timer = clock.every(10, () => {
    for (let i = 0; i < 5; i++) {
      const one: Promise<void> = fetch(url)
        .then(
          async (r) => count(`${r.status} ${await r.text()}`),
          (e: unknown) => count(String(e)),
        )
        .finally(() => open.delete(one));
      open.add(one);
    }
  });
  stops.push(() => timer.cancel());
  return {
    answers,
    async end() {
      timer.cancel();
      await Promise.all(open);
    },
  };
}

/** Asks until it holds; an update that never ends is a failure. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const end = clock.now() + 20_000;
  while (!holds()) {
    if (clock.now() > end) throw new Error(`not within 20 s: ${what}`);
    await delay(clock, 2);
  }
}

for (const type of ["DELTA_GRPC", "GRPC"] as const)
  test(`cut before each message of an update, ${type}: no request fails`, async () => {
    const source = createTestSource();
    const scissors = new Scissors();
    const [port, upstream] = [freePort(), backend()];
    const change = (n: number): void => {
      const name = `c${n}`;
      const chain = { name: `chain-${n}` };
      source.put(
        make.cluster(name),
        make.endpoints(name, upstream),
        make.listener("main", port, "main", ads, chain),
        make.route("main", name),
      );
      for (const url of [typeUrl.cluster, typeUrl.endpoints]) source.remove(url, `c${n - 1}`);
      source.changed();
    };
    change(0);
    const { agent } = await start(await serve(source, scissors), type);
    const url = `http://127.0.0.1:${port}/`;
    const done = (n: number): boolean => {
      const { clusters, listeners, routes } = agent.tables();
      const action = routes.get("main")?.virtualHosts[0]?.routes[0]?.action;
      return (
        clusters.has(`c${n}`) &&
        !clusters.has(`c${n - 1}`) &&
        listeners[0]?.filterChains[0]?.name === `chain-${n}` &&
        action?.kind === "route" &&
        action.clusters[0]?.cluster === `c${n}`
      );
    };
    await until("the first configuration", () => agent.ready() && done(0));
    await fetch(url);
    const requests = load(url);
    let cuts = 0;
    for (let n = 1; ; n++) {
      scissors.arm(n);
      change(n);
      await until(`update ${n}`, () => done(n));
      // The last messages are ACKs of what is in effect already.
      await delay(clock, 100);
      if (!scissors.fell) break;
      cuts++;
    }
    await requests.end();
    const { "200 ok": good = 0, ...bad } = requests.answers;
    expect(bad).toEqual({});
    expect(good).toBeGreaterThan(500);
    // CDS, EDS, LDS, RDS, the removals: each a response and its answer, and the endpoints' subscriptions.
    expect(cuts).toBeGreaterThanOrEqual(type === "DELTA_GRPC" ? 12 : 10);
  }, 120_000);
