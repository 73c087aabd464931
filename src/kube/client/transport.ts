/** One HTTP exchange with the API server, over Bun's fetch. */
import type { Clock } from "../../base/index.ts";
import { errorFromBody, KubeError, parseWarnings } from "./error.ts";
import { limits } from "./limits.ts";
import type { KubeConfig } from "./types.ts";

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface Transport {
  /** Sends, checks the status, parses JSON. Rejects with KubeError only. */
  json<T>(init: Exchange): Promise<T>;
  /** Sends and hands out the body as it comes, for watches: no time limit but the signal. */
  stream(init: Exchange): Promise<ReadableStream<Uint8Array>>;
}

const tlsOf = (config: KubeConfig) => ({
  ...(config.caPem === undefined ? {} : { ca: config.caPem }),
  ...(config.certPem === undefined ? {} : { cert: config.certPem }),
  ...(config.keyPem === undefined ? {} : { key: config.keyPem }),
  ...(config.tlsServerName === undefined ? {} : { serverName: config.tlsServerName }),
  rejectUnauthorized: config.insecureSkipTlsVerify !== true,
});

export function createTransport(
  initial: KubeConfig,
  options: { clock: Clock; warn: (m: string) => void },
): Transport {
  let config = initial;
  let tls = tlsOf(config);

  /** A server that cannot be reached, or does not know us any more, may be another one by now. True: it is. */
  function follow(): boolean {
    const now = config.reload?.();
    if (now === undefined) return false;
    const moved = now.server !== config.server;
    config = now;
    tls = tlsOf(now);
    return moved;
  }

  /** `again`: this is the second try, at where the server went. */
  async function send(init: Exchange, signal: AbortSignal | undefined, again = false): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json", "user-agent": "weft" };
    const token = config.token?.();
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    if (init.body !== undefined) headers["content-type"] = init.contentType ?? "application/json";
    try {
      const response = await fetch(`${config.server}${init.path}`, {
        method: init.method,
        headers,
        redirect: "error",
        // Bun's own limit of five minutes would end quiet watches.
        timeout: false,
        ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
        ...(signal === undefined ? {} : { signal }),
        ...(config.server.startsWith("https:") ? { tls } : {}),
      } as RequestInit);
      if (response.status === 401) follow();
      const warn = init.onWarning ?? options.warn;
      for (const message of parseWarnings(response.headers.get("warning"))) warn(message);
      return response;
    } catch (error) {
      const failure = unreachable(config, init, error);
      const moved = failure.reason !== "Aborted" && follow();
      // Refused means that not a byte was sent: whatever it asks for, it may be asked elsewhere.
      if (moved && !again && refused(error)) return send(init, signal, true);
      throw failure;
    }
  }

  return {
    async json<T>(init: Exchange): Promise<T> {
      const abort = new AbortController();
      const timer = options.clock.after(limits.requestTimeoutMs, () =>
        abort.abort(new Error(`no answer within ${limits.requestTimeoutMs / 1000} s`)),
      );
      const signal = init.signal === undefined ? abort.signal : AbortSignal.any([init.signal, abort.signal]);
      try {
        const response = await send(init, signal);
        return await parsed<T>(init, response);
      } catch (error) {
        throw error instanceof KubeError ? error : unreachable(config, init, error);
      } finally {
        timer.cancel();
      }
    },
    async stream(init) {
      const response = await send(init, init.signal);
      if (!response.ok) await parsed(init, response);
      if (response.body === null)
        throw new KubeError({
          status: response.status,
          reason: "InvalidResponse",
          message: `${init.path}: no body`,
        });
      return response.body;
    },
  };
}

/** The JSON of an answer; rejects with KubeError where its status is no success. */
async function parsed<T>(init: Exchange, response: Response): Promise<T> {
  const text = new TextDecoder().decode(await readAll(response, init));
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (!response.ok) throw errorFromBody(response.status, body, `${init.method} ${init.path}`);
  if (body === undefined)
    throw new KubeError({
      status: response.status,
      reason: "InvalidResponse",
      message: `${init.method} ${init.path}: the answer is no JSON`,
    });
  return body as T;
}

function refused(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === "ECONNREFUSED" || code === "ConnectionRefused";
}

function unreachable(config: KubeConfig, init: Exchange, error: unknown): KubeError {
  const why = error instanceof Error ? error.message : String(error);
  return new KubeError({
    status: 0,
    reason: init.signal?.aborted === true ? "Aborted" : "Unreachable",
    message: `${init.method} ${config.server}${init.path}: ${why}`,
    cause: error,
  });
}

/** The whole body, at most `limits.maxResponseBytes`. */
async function readAll(response: Response, init: Exchange): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    total += chunk.length;
    if (total > limits.maxResponseBytes)
      throw new KubeError({
        status: response.status,
        reason: "ResponseTooLarge",
        message: `${init.method} ${init.path}: the answer is longer than ${limits.maxResponseBytes} bytes`,
      });
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, total);
}
