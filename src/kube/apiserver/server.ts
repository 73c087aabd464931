/** The embedded Kubernetes-compatible API server: TLS on loopback, bearer tokens, one kubeconfig. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, type Logger, type Rng, systemRng } from "../../base/index.ts";
import { openStore, type Store } from "../store/index.ts";
import type { Admission } from "./admission.ts";
import { createAuthenticator } from "./auth.ts";
import { storeFile, streamBackup } from "./backup.ts";
import { Catalog } from "./catalog.ts";
import { followDefinitions, resumeDefinitions } from "./definitions.ts";
import { finishers } from "./finish.ts";
import { GarbageCollector } from "./gc.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { COMPACT_EVERY_MS, HISTORY_REVISIONS, MAX_BODY_BYTES, MAX_WATCHES, STOP_TURNS } from "./limits.ts";
import { ensureNamespaces, resumeTermination } from "./namespaces.ts";
import { loadPki } from "./pki.ts";
import { Registry } from "./registry.ts";
import type { Backend } from "./resources.ts";
import { serve } from "./routes.ts";
import { createTokens } from "./tokens.ts";

export interface ApiServerOptions {
  /** Holds the database, keys and kubeconfig; made with mode 0700. */
  readonly dataDir: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 6443; 0 takes a free port. */
  readonly port?: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rng?: Rng;
  /** Makes the store's thread (entry src/store-worker.ts). */
  readonly storeWorker: () => Worker;
  readonly admission?: Admission;
  /** Name and version of this program, noted in the store that it makes. */
  readonly program?: string;
  /** Superseded revisions that stay readable; default HISTORY_REVISIONS. */
  readonly historyRevisions?: number;
  /** Default MAX_WATCHES. */
  readonly maxWatches?: number;
}

export interface ApiServer {
  readonly url: string;
  readonly caPem: string;
  readonly adminToken: string;
  readonly kubeconfigPath: string;
  readonly port: number;
  /** Ends watches, the listener and the store. */
  stop(): Promise<void>;
}

/** Starts the server. Rejects where another process holds the data directory or a newer Weft wrote it. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { dataDir, clock, log } = options;
  const host = options.host ?? "127.0.0.1";
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const store = await openStore({
    file: storeFile(dataDir),
    createWorker: options.storeWorker,
    ...(options.program && { program: options.program }),
  });
  try {
    return await start(options, host, store);
  } catch (e) {
    await store.close();
    throw e;
  } finally {
    log.debug("store opened", { dataDir, revision: store.revision, at: clock.wall() });
  }
}

async function start(options: ApiServerOptions, host: string, store: Store): Promise<ApiServer> {
  const { dataDir, clock, log } = options;
  const rng = options.rng ?? systemRng;
  const pki = await loadPki(dataDir, [host], clock);
  const catalog = new Catalog();
  const unfollow = await followDefinitions(store, catalog);
  const registry = new Registry({
    store,
    catalog,
    clock,
    rng,
    finish: finishers(catalog),
    ...(options.admission && { admission: options.admission }),
  });
  await ensureNamespaces(registry);
  await resumeTermination(registry, log);
  await resumeDefinitions(registry, log);
  const collector = new GarbageCollector(registry, log);
  await collector.start();
  const tokens = createTokens({ privateKeyPem: pki.tokenKeyPem, clock });
  const authenticator = createAuthenticator({ registry, tokens, adminToken: pki.adminToken });
  const maxWatches = options.maxWatches ?? MAX_WATCHES;
  const history = options.historyRevisions ?? HISTORY_REVISIONS;
  const backup = () => streamBackup(store, dataDir);
  const backend: Backend = {
    registry,
    authenticator,
    tokens,
    clock,
    log,
    watches: new Set(),
    maxWatches,
    backup,
  };

  const server = Bun.serve({
    hostname: host,
    port: options.port ?? 6443,
    development: false,
    tls: { cert: pki.certPem, key: pki.keyPem },
    // A little more than our own limit, so that our own answer explains it.
    maxRequestBodySize: MAX_BODY_BYTES + 64 * 1024,
    idleTimeout: 0,
    fetch: (request) => serve(backend, request),
    error: (e) => {
      log.error("request failed", { error: e });
      return new Response("internal error", { status: 500 });
    },
  });
  const timer = clock.every(COMPACT_EVERY_MS, () => {
    store
      .compact(store.revision - history)
      .catch((e: unknown) => log.warn("compaction failed", { error: e }));
  });
  const port = server.port!;
  const url = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const kubeconfigPath = join(dataDir, "kubeconfig");
  writeKubeconfig(kubeconfigPath, { url, caPem: pki.caPem, token: pki.adminToken });
  return {
    url,
    caPem: pki.caPem,
    adminToken: pki.adminToken,
    kubeconfigPath,
    port,
    async stop() {
      timer.cancel();
      for (const end of [...backend.watches]) end();
      for (let turn = 0; turn < STOP_TURNS && server.pendingRequests > 0; turn++)
        await new Promise((resolve) => setImmediate(resolve));
      await server.stop(true);
      await collector.stop();
      unfollow();
      await store.close();
    },
  };
}
