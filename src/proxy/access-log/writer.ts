/** Writes access log lines of all threads: files are opened for appending and stay open; a slow disk loses lines, not memory. */
import { type FileHandle, open } from "node:fs/promises";
import type { Logger } from "../../base/index.ts";

/** Bytes that wait for one file; what comes beyond is counted and dropped. Envoy buffers 64 KiB, then blocks. */
export const maxQueuedBytes = 8_388_608;

export interface AccessLogWriterOptions {
  readonly log: Logger;
  /** Where the streams go; default: this process's own. */
  readonly stdout?: (text: string) => void;
  readonly stderr?: (text: string) => void;
}

interface Target {
  queue: string[];
  queued: number;
  handle: FileHandle | null;
  /** Being written; resolves when the queue is empty. */
  busy: Promise<void> | null;
  reopen: boolean;
}

export class AccessLogWriter {
  /** Lines' bytes that were not written. */
  dropped = 0;
  private readonly options: AccessLogWriterOptions;
  private readonly targets = new Map<string, Target>();

  constructor(options: AccessLogWriterOptions) {
    this.options = options;
  }

  /** `lines` ends each line with a newline. Path, or `stdout` / `stderr`. */
  write(path: string, lines: string): void {
    if (path === "stdout") {
      (this.options.stdout ?? ((text) => process.stdout.write(text)))(lines);
    } else if (path === "stderr") {
      (this.options.stderr ?? ((text) => process.stderr.write(text)))(lines);
    } else this.enqueue(path, lines);
  }

  /** Files are closed and opened anew at their next line: after rotation. */
  reopen(): void {
    for (const target of this.targets.values()) target.reopen = true;
  }

  /** All that was given is in the files. */
  async flush(): Promise<void> {
    await Promise.all([...this.targets.values()].map((t) => t.busy));
  }

  async close(): Promise<void> {
    await this.flush();
    for (const target of this.targets.values()) await target.handle?.close();
    this.targets.clear();
  }

  private enqueue(path: string, lines: string): void {
    let target = this.targets.get(path);
    if (!target) {
      target = { queue: [], queued: 0, handle: null, busy: null, reopen: false };
      this.targets.set(path, target);
    }
    if (target.queued + lines.length > maxQueuedBytes) {
      this.dropped += lines.length;
      return;
    }
    target.queue.push(lines);
    target.queued += lines.length;
    target.busy ??= this.drain(path, target);
  }

  private async drain(path: string, target: Target): Promise<void> {
    while (target.queue.length > 0) {
      const text = target.queue.join("");
      target.queue = [];
      try {
        if (target.reopen) {
          target.reopen = false;
          const old = target.handle;
          target.handle = null;
          await old?.close();
        }
        target.handle ??= await open(path, "a");
        await target.handle.appendFile(text);
      } catch (e) {
        this.dropped += text.length;
        this.options.log.error("cannot write the access log", { path, error: e });
      }
      target.queued -= text.length;
    }
    target.busy = null;
  }
}
