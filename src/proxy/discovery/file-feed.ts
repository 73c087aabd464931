/** A feed that is a file with a DiscoveryResponse (YAML, JSON, or .pb), read again when it changes. */
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Clock, Logger, Timer } from "../../base/index.ts";
import type { ApplyError, Feed, FeedHost, FeedResponse, FeedStatus } from "../../xds/client/index.ts";
import { shortTypeName, typeUrl as urls } from "../../xds/protocol/index.ts";
import { fileQuietMs, maxFileBytes } from "./limits.ts";
import { readResponse } from "./response-file.ts";

export interface FileFeedOptions {
  readonly typeUrl: string;
  readonly path: string;
  /** Whose changes mean a new file; default: the file's own folder, for its name only. */
  readonly watch?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

class FileFeed implements Feed {
  private readonly options: FileFeedOptions;
  private readonly host: FeedHost;
  private watcher: FSWatcher | undefined;
  private soon: Timer | undefined;
  private last: string | undefined;
  private reading = false;
  private again = false;
  private state: FeedStatus;

  constructor(options: FileFeedOptions, host: FeedHost) {
    this.options = options;
    this.host = host;
    this.state = { name: `${shortTypeName(options.typeUrl)} ${options.path}`, state: "idle" };
  }

  get status(): FeedStatus {
    return this.state;
  }

  start(): void {
    const { path, watch: folder, log } = this.options;
    try {
      this.watcher = watch(folder ?? dirname(path), (_event, name) => {
        if (folder !== undefined || name === null || name === basename(path)) this.changed();
      });
      this.watcher.on("error", (error) => log.warn(`${path} is watched no more`, { error: String(error) }));
    } catch (error) {
      log.warn(`${path} cannot be watched`, { error: String(error) });
    }
    void this.read();
  }

  private changed(): void {
    this.soon?.cancel();
    this.soon = this.options.clock.after(fileQuietMs, () => void this.read());
  }

  stop(): void {
    this.watcher?.close();
    this.soon?.cancel();
    this.state = { ...this.state, state: "stopped" };
  }

  /** A file holds what it holds. */
  ask(): void {
    this.last = undefined;
    if (this.state.state !== "idle") void this.read();
  }

  answer(response: FeedResponse, errors: readonly ApplyError[]): void {
    if (errors.length > 0)
      this.options.log.warn(`${this.options.path}: ${shortTypeName(response.typeUrl)} refused in part`, {
        errors,
      });
  }

  private async read(): Promise<void> {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    do {
      this.again = false;
      await this.take();
    } while (this.again);
    this.reading = false;
  }

  private async take(): Promise<void> {
    const { path, typeUrl, clock, log } = this.options;
    try {
      const bytes = await readFile(path);
      if (bytes.length > maxFileBytes) throw new Error(`is above ${maxFileBytes} bytes`);
      const digest = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
      if (digest === this.last || this.state.state === "stopped") return;
      const response = readResponse(bytes, path, typeUrl);
      this.last = digest;
      const whole = typeUrl === urls.cluster || typeUrl === urls.listener;
      this.set({ name: this.state.name, state: "connected", connectedAt: clock.wall() });
      this.host.receive({ typeUrl, resources: response, removed: [], whole, repeats: true });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.warn(`${path} is not used; what it said before stays`, { reason: why });
      this.set({ ...this.state, state: "backoff", lastError: why });
    }
  }

  private set(state: FeedStatus): void {
    if (this.state.state === "stopped") return;
    this.state = state;
    this.host.changed();
  }
}

export function fileFeed(options: FileFeedOptions, host: FeedHost): Feed {
  return new FileFeed(options, host);
}
