/** The two servers that the same table is done against. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { type Clock, createLogger, systemClock, type Timer } from "../../src/base/index.ts";
import { startApiServer } from "../../src/kube/apiserver/index.ts";
import { ensureDebian } from "../../src/testkit/peers.ts";

export interface Server {
  readonly name: "embedded" | "real";
  readonly url: string;
  /** Reaches the server as its admin. */
  readonly kubeconfig: string;
  /** Forgets history up to now, so that older versions are 410 Gone. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

const root = join(import.meta.dir, "../..");

/** The clock of the embedded server, but its compaction comes when it is told to. */
function told(): { readonly clock: Clock; compact(): void } {
  const rare: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now(),
    wall: () => systemClock.wall(),
    after: (ms, run) => systemClock.after(ms, run),
    every: (ms, run): Timer => {
      if (ms === 300_000) rare.push(run);
      return systemClock.every(ms, run);
    },
  };
  const compact = (): void => {
    for (const run of rare) run();
  };
  return { clock, compact };
}

export async function startEmbedded(dir: string): Promise<Server> {
  const { clock, compact } = told();
  const server = await startApiServer({
    dataDir: join(dir, "data"),
    port: 0,
    clock,
    log: createLogger({ sink: () => undefined }),
    storeWorker: () => new Worker(new URL("../../src/store-worker.ts", import.meta.url)),
    historyRevisions: 1,
  });
  return {
    name: "embedded",
    url: server.url,
    kubeconfig: server.kubeconfigPath,
    compact: () => Promise.resolve(compact()),
    stop: () => server.stop(),
  };
}

/** First of three ports in a row that are free just now. */
async function freePorts(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const first = await listenOnce(0);
    if (first !== undefined && (await listenOnce(first + 1)) && (await listenOnce(first + 2))) return first;
  }
  throw new Error("no three free ports in a row");
}

const listenOnce = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const found = (server.address() as { port: number }).port;
      server.close(() => resolve(found));
    });
  });

/** Where the script is that starts a real kube-apiserver: its arguments are a folder and a port. */
export const upScript = (): string =>
  process.env["KUBE_APISERVER_UP"] ?? join(root, "../shared/tools/kube-apiserver/up");

/** Starts a real kube-apiserver with etcd; undefined, with the reason on stderr, where there is none. */
export async function startReal(dir: string): Promise<Server | undefined> {
  if (!(await Bun.file(upScript()).exists())) {
    process.stderr.write(
      `no real kube-apiserver: ${upScript()} is not there (KUBE_APISERVER_UP names another)\n`,
    );
    return undefined;
  }
  if (!Bun.which("etcd") && !ensureDebian("etcd", "etcd-server")) return undefined;
  const port = await freePorts();
  mkdirSync(dir, { recursive: true });
  const child = Bun.spawn([upScript(), dir, String(port)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env },
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
  };
  let said = "";
  const reader = child.stdout.getReader();
  while (!said.includes("ready:")) {
    const { done, value } = await reader.read();
    if (done) {
      process.stderr.write(`no real kube-apiserver: ${upScript()} ended with ${await child.exited}\n`);
      return undefined;
    }
    said += new TextDecoder().decode(value);
  }
  return {
    name: "real",
    url: `https://127.0.0.1:${port}`,
    kubeconfig: join(dir, "kubeconfig"),
    compact: () => compactEtcd(`http://127.0.0.1:${port + 1}`),
    stop,
  };
}

/** etcd's own gateway: the revision of any answer is now. */
async function compactEtcd(url: string): Promise<void> {
  const post = async (path: string, body: unknown): Promise<{ header?: { revision?: string } }> =>
    (await (await fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) })).json()) as never;
  const { header } = await post("/v3/kv/range", { key: Buffer.from("x").toString("base64") });
  await post("/v3/kv/compaction", { revision: header?.revision, physical: true });
}

/** The same kubeconfig, its context in a namespace. */
export function inNamespace(kubeconfig: string, namespace: string, file: string): string {
  const text = readFileSync(kubeconfig, "utf8");
  const config = parse(text) as { contexts: { context: Record<string, string> }[] };
  for (const { context } of config.contexts) context["namespace"] = namespace;
  writeFileSync(file, stringify(config), { mode: 0o600 });
  return file;
}
