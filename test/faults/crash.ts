/**
 * HARDENING F12: an API server is killed at random moments while several clients write, and started again. Every
 * acknowledged write must be there, resource versions must never go back, and a watch that resumes must miss nothing.
 */
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, delay, type Rng, seededRng, systemClock, systemRng } from "../../src/base/index.ts";
import {
  createInformer,
  createKubeClient,
  isKubeError,
  type KubeClient,
  type KubeObject,
  loadKubeconfig,
  refs,
} from "../../src/kube/client/index.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  readonly writers: number;
  readonly say?: (line: string) => void;
}

export interface CrashResult {
  readonly kills: number;
  readonly acknowledged: number;
  /** Writes under way at a kill: they may or may not have happened. */
  readonly unknown: number;
  /** Of those, found to have happened. */
  readonly happened: number;
  /** What must not be; empty. */
  readonly faults: readonly string[];
  /** Events that the watch delivered. */
  readonly watched: number;
  readonly slowestStartMs: number;
  readonly seconds: number;
}

/** What a key may hold: the acknowledged value, and those of writes whose answer never came. Undefined: not there. */
interface Key {
  certain: string | undefined;
  open: (string | undefined)[];
  version: number;
}

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Keys of one writer: each key has one writer, so that what is acknowledged last is what is there. */
const keysPerWriter = 12;

class Server {
  readonly dir = mkdtempSync(join(tmpdir(), "weft-crash-"));
  slowestStartMs = 0;
  private process: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;
  private port = "0";

  /** `killAfterMs`: the start itself is cut short. */
  async start(killAfterMs?: number): Promise<void> {
    const began = performance.now();
    this.process = Bun.spawn(
      [process.execPath, join(import.meta.dir, "api-server.ts"), join(this.dir, "data"), this.port],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    if (killAfterMs !== undefined) {
      await delay(systemClock, killAfterMs);
      await this.kill();
      return;
    }
    const { value } = await this.process.stdout.getReader().read();
    this.port = new TextDecoder().decode(value).trim();
    if (this.port === "") throw new Error("the API server did not start");
    this.slowestStartMs = Math.max(this.slowestStartMs, performance.now() - began);
  }

  async kill(): Promise<void> {
    this.process?.kill("SIGKILL");
    await this.process?.exited;
  }

  client(): KubeClient {
    return createKubeClient(loadKubeconfig({ path: join(this.dir, "data/kubeconfig") }), {
      clock: systemClock,
    });
  }

  integrity(): string {
    const db = new Database(join(this.dir, "data/store/weft.db"));
    try {
      return (db.query("PRAGMA integrity_check").get() as { integrity_check: string }).integrity_check;
    } finally {
      db.close();
    }
  }
}

class Run {
  readonly faults: string[] = [];
  readonly keys = new Map<string, Key>();
  acknowledged = 0;
  unknown = 0;
  happened = 0;
  /** Highest resource version that anybody was told. */
  highest = 0;
  private serial = 0;
  private readonly client: KubeClient;

  constructor(client: KubeClient) {
    this.client = client;
  }

  /** Writes until told to stop, or until the server is gone. */
  async writer(id: number, rng: Rng, going: () => boolean): Promise<void> {
    while (going()) {
      const name = `w${id}-${rng.int(keysPerWriter)}`;
      const key = this.keys.get(name) ?? { certain: undefined, open: [], version: 0 };
      this.keys.set(name, key);
      const value = rng.int(5) === 0 && key.certain !== undefined ? undefined : `${++this.serial}`;
      const before = this.highest;
      try {
        const version = await this.write(name, key, value, rng);
        this.acknowledged++;
        if (version !== undefined && version <= before)
          this.faults.push(`${name}: written as ${version} after ${before} had been told`);
        this.highest = Math.max(this.highest, version ?? 0);
        key.certain = value;
        key.open = [];
        key.version = version ?? key.version;
      } catch (error) {
        if (!isKubeError(error, 0)) throw error;
        key.open.push(value);
        this.unknown++;
        return;
      }
    }
  }

  /** Creates, replaces, patches or deletes, whichever fits; the version that was told. */
  private async write(
    name: string,
    key: Key,
    value: string | undefined,
    rng: Rng,
  ): Promise<number | undefined> {
    const target = { name, namespace: "default" };
    const object: ConfigMap = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: target,
      data: { value: value ?? "", filler: "x".repeat(rng.int(4_000)) },
    };
    const { client } = this;
    if (value === undefined) {
      await client.delete(refs.configMap, target);
      return undefined;
    }
    const written =
      key.certain === undefined
        ? await client.create(refs.configMap, object)
        : rng.int(2) === 0
          ? await client.update(refs.configMap, object)
          : await client.patch<ConfigMap>(refs.configMap, target, { data: { value } });
    return Number(written.metadata.resourceVersion);
  }

  /** Compares what is there with what was acknowledged, and learns what became of the open writes. */
  async compare(): Promise<void> {
    const { items, resourceVersion } = await this.client.listAll<ConfigMap>(refs.configMap, {
      namespace: "default",
    });
    const there = new Map(items.map((i) => [i.metadata.name, i]));
    if (Number(resourceVersion) < this.highest)
      this.faults.push(`the list is at ${resourceVersion}, but ${this.highest} had been told`);
    this.highest = Math.max(this.highest, Number(resourceVersion));
    for (const [name, key] of this.keys) {
      const object = there.get(name);
      const value = object?.data?.["value"];
      if (value !== key.certain) {
        if (!key.open.includes(value))
          this.faults.push(`${name}: ${value ?? "gone"}, but ${key.certain ?? "gone"} was acknowledged`);
        else this.happened++;
      } else if (
        object !== undefined &&
        key.open.length === 0 &&
        Number(object.metadata.resourceVersion) !== key.version
      )
        this.faults.push(`${name}: at ${object.metadata.resourceVersion}, but ${key.version} was told`);
      key.certain = value;
      key.open = [];
      key.version = Number(object?.metadata.resourceVersion ?? 0);
    }
  }
}

export async function runCrashes(options: CrashOptions): Promise<CrashResult> {
  const began = performance.now();
  const rng = seededRng(options.seed);
  const server = new Server();
  try {
    await server.start();
    const client = server.client();
    const run = new Run(client);
    let watched = 0;
    const informer = createInformer<ConfigMap>(client, refs.configMap, {
      namespace: "default",
      clock: systemClock,
      rng: systemRng,
      log: createLogger({ sink: () => {} }),
      onChange: () => watched++,
    });
    informer.start();
    await informer.synced;
    for (let kill = 1; kill <= options.kills; kill++) {
      let going = true;
      const writers = Array.from({ length: options.writers }, (_, i) =>
        run.writer(i, seededRng(rng.int(1 << 30)), () => going),
      );
      await delay(systemClock, 5 + rng.int(150));
      await server.kill();
      going = false;
      await Promise.all(writers);
      // Now and then the start is killed too, wherever it is.
      if (rng.int(10) === 0) await server.start(rng.int(400));
      await server.start();
      await run.compare();
      if (kill % 20 === 0)
        options.say?.(`${kill} kills, ${run.acknowledged} writes acknowledged, ${run.faults.length} faults`);
    }
    await eventually(async () => sameAs(informer.list(), run.keys), 15_000).catch(() => {
      run.faults.push("the watch has something else than the list");
    });
    informer.stop();
    await server.kill();
    const integrity = server.integrity();
    if (integrity !== "ok") run.faults.push(`the database: ${integrity}`);
    const { acknowledged, unknown, happened, faults } = run;
    const seconds = (performance.now() - began) / 1000;
    const { slowestStartMs } = server;
    return {
      kills: options.kills,
      acknowledged,
      unknown,
      happened,
      faults,
      watched,
      slowestStartMs,
      seconds,
    };
  } finally {
    await server.kill();
    rmSync(server.dir, { recursive: true, force: true });
  }
}

function sameAs(seen: readonly ConfigMap[], keys: ReadonlyMap<string, Key>): boolean {
  const values = new Map(seen.map((o) => [o.metadata.name, o.data?.["value"]]));
  return [...keys].every(([name, key]) => values.get(name) === key.certain);
}
