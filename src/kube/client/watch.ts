/** A watch: JSON objects, one a line, until the server ends the stream. */
import type { Clock } from "../../base/index.ts";
import { errorFromBody, KubeError } from "./error.ts";
import { limits } from "./limits.ts";
import { pathOf, queryOf } from "./paths.ts";
import type { Transport } from "./transport.ts";
import type { KindRef, KubeObject, WatchEvent, WatchOptions } from "./types.ts";

/** Cuts a byte stream into lines; pure. A line over the limit is an error, empty lines are heartbeats. */
export class LineSplitter {
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private readonly decoder = new TextDecoder();

  /** Complete lines in the chunk, without their ends. */
  feed(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = this.join(chunk.subarray(from, end));
      if (line.trim() !== "") lines.push(line);
      from = end + 1;
    }
    if (from < chunk.length) {
      this.heldBytes += chunk.length - from;
      if (this.heldBytes > limits.maxWatchEventBytes)
        throw new KubeError({
          status: 0,
          reason: "EventTooLarge",
          message: `an event of the watch is longer than ${limits.maxWatchEventBytes} bytes`,
        });
      this.held.push(chunk.slice(from));
    }
    return lines;
  }

  private join(last: Uint8Array): string {
    if (this.held.length === 0) return this.decoder.decode(last);
    const whole = Buffer.concat([...this.held, last]);
    this.held = [];
    this.heldBytes = 0;
    return this.decoder.decode(whole);
  }
}

/** See KubeClient.watch. */
export async function runWatch<T extends KubeObject>(
  transport: Transport,
  clock: Clock,
  ref: KindRef,
  options: WatchOptions<T>,
): Promise<void> {
  const seconds = options.timeoutSeconds ?? limits.watchSeconds;
  const abort = new AbortController();
  // A connection that died silently must not be waited for forever.
  const timer = clock.after(seconds * 1000 + limits.watchGraceMs, () => abort.abort());
  const signal =
    options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
  const query = queryOf({
    watch: 1,
    allowWatchBookmarks: true,
    resourceVersion: options.resourceVersion,
    timeoutSeconds: seconds,
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
  });
  const path = `${pathOf(ref, { namespace: options.namespace })}${query}`;
  try {
    const body = await transport.stream({ method: "GET", path, signal });
    options.onOpen?.();
    const lines = new LineSplitter();
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>)
      for (const line of lines.feed(chunk)) {
        // Nothing is delivered after the caller stopped the watch.
        if (signal.aborted) return;
        deliver(line, path, options.onEvent);
      }
  } catch (error) {
    if (options.signal?.aborted === true || abort.signal.aborted) return;
    throw error instanceof KubeError
      ? error
      : new KubeError({ status: 0, reason: "Unreachable", message: `watch ${path}: ${error}`, cause: error });
  } finally {
    timer.cancel();
  }
}

function deliver<T extends KubeObject>(
  line: string,
  path: string,
  onEvent: (e: WatchEvent<T>) => void,
): void {
  let event: { type?: unknown; object?: unknown };
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw new KubeError({
      status: 0,
      reason: "InvalidResponse",
      message: `watch ${path}: an event is no JSON`,
      cause: error,
    });
  }
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
    case "BOOKMARK":
      onEvent(event as WatchEvent<T>);
      return;
    case "ERROR":
      throw errorFromBody(500, event.object, `watch ${path}`);
    default:
      // A type that a later API adds is skipped, as client-go does.
      return;
  }
}
