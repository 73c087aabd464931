/** Access log lines: formatted here, batched, written by the agent. */
import type { Clock, Timer } from "../../base/index.ts";
import type { AccessLogConfig, FromWorker } from "../config/index.ts";
import { compileFormat, compileJson, type LineFormatter } from "./access-log-format.ts";
import { accessLogBatchBytes, accessLogFlushMs } from "./limits.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Envoy's default format. */
export const defaultFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

export class AccessLogger {
  private readonly path: string;
  private readonly format: LineFormatter;
  private readonly clock: Clock;
  private readonly post: (message: FromWorker) => void;
  private lines = "";
  private timer: Timer | null = null;

  constructor(config: AccessLogConfig, clock: Clock, post: (message: FromWorker) => void) {
    this.path = config.path;
    this.clock = clock;
    this.post = post;
    const { format } = config;
    this.format =
      format.kind === "json"
        ? compileJson(format.fields)
        : compileFormat(format.text === "" ? defaultFormat : format.text);
  }

  /** `now`: the clock's; the request has ended. */
  log(info: StreamInfo, now: number): void {
    const line = this.format(info, now);
    this.lines += line.endsWith("\n") ? line : `${line}\n`;
    if (this.lines.length >= accessLogBatchBytes) this.flush();
    else this.timer ??= this.clock.after(accessLogFlushMs, () => this.flush());
  }

  flush(): void {
    this.timer?.cancel();
    this.timer = null;
    if (this.lines === "") return;
    const { lines, path } = this;
    this.lines = "";
    this.post({ kind: "access-log", path, lines });
  }
}
