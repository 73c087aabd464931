/** A server in a fresh folder on a free port, and a client that speaks plain HTTP to it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng, systemClock } from "../../../base/index.ts";
import { type ApiServer, type ApiServerOptions, startApiServer } from "../index.ts";

const entry = new URL("../../../store-worker.ts", import.meta.url);

export interface Harness extends AsyncDisposable {
  readonly server: ApiServer;
  readonly dir: string;
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Result>;
  /** Events of a watch, one at a time; undefined when it ended. */
  watch(path: string): Promise<WatchReader>;
  restart(): Promise<void>;
}
export interface CallOptions {
  readonly type?: string;
  readonly token?: string | null;
  readonly accept?: string;
}
export interface Result {
  readonly status: number;
  readonly body: Json;
  readonly warnings: readonly string[];
}
/** Answers are looked into freely by tests. */
// biome-ignore lint/suspicious/noExplicitAny: tests read fields of unknown answers
export type Json = any;

export interface WatchReader {
  next(): Promise<Json>;
  cancel(): Promise<void>;
}

export async function startHarness(options: Partial<ApiServerOptions> = {}): Promise<Harness> {
  const dir = mkdtempSync(join(tmpdir(), "weft-api-"));
  const start = (): Promise<ApiServer> =>
    startApiServer({
      dataDir: join(dir, "data"),
      port: 0,
      clock: systemClock,
      rng: seededRng(1),
      log: createLogger({ sink: () => undefined }),
      storeWorker: () => new Worker(entry),
      ...options,
    });
  let server = await start();
  const send = (method: string, path: string, body: unknown, o: CallOptions): Promise<Response> =>
    fetch(server.url + path, {
      method,
      headers: {
        "content-type": o.type ?? "application/json",
        accept: o.accept ?? "application/json",
        ...(o.token !== null && { authorization: `Bearer ${o.token ?? server.adminToken}` }),
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      tls: { ca: server.caPem },
    });
  return {
    get server() {
      return server;
    },
    dir,
    async call(method, path, body, o = {}) {
      const response = await send(method, path, body, o);
      const text = await response.text();
      const header = response.headers.get("warning");
      return {
        status: response.status,
        body: text.startsWith("{") ? JSON.parse(text) : text,
        warnings: header ? header.split(/, (?=299 - )/) : [],
      };
    },
    async watch(path) {
      const response = await send("GET", path, undefined, {});
      return reader(response.body!.getReader() as unknown as Reader);
    },
    async restart() {
      await server.stop();
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

type Reader = Pick<ReadableStreamDefaultReader<Uint8Array>, "read" | "cancel">;

function reader(stream: Reader): WatchReader {
  const decoder = new TextDecoder();
  let text = "";
  return {
    async next() {
      for (;;) {
        const end = text.indexOf("\n");
        if (end >= 0) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          if (line !== "") return JSON.parse(line);
          continue;
        }
        // A connection that was cut is an end too.
        const { done, value } = await stream.read().catch(() => ({ done: true, value: undefined }));
        if (done) return undefined;
        text += decoder.decode(value, { stream: true });
      }
    },
    cancel: () => stream.cancel(),
  };
}

/** A VirtualService with one plain route. */
export const virtualService = (name: string, spec: Json = {}): Json => ({
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name },
  spec: { hosts: ["reviews"], http: [{ route: [{ destination: { host: "reviews" } }] }], ...spec },
});
export const VS = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
export const CM = "/api/v1/namespaces/default/configmaps";
export const configMap = (name: string, data: Json = {}): Json => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});
