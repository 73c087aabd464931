/** Structured logging: JSON lines, or readable text on a terminal; levels at run time; secrets redacted. */

export const logLevels = ["trace", "debug", "info", "warn", "error", "off"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Whether a line of this level would be written now. */
  enabled(level: LogLevel): boolean;
  /** A logger of a part (`xds.server`); its level may be set alone. */
  child(scope: string, fields?: LogFields): Logger;
}

/** Where finished lines go; default stderr. */
export type LogSink = (line: string) => void;

export interface LogOptions {
  readonly scope?: string;
  /** `json`: one object a line. `text`: for people. Default: text where stderr is a terminal. */
  readonly format?: "json" | "text";
  readonly sink?: LogSink;
  readonly wall?: () => number;
}

const secretKey = /token|secret|password|authorization|credential|private|cookie|(^|_)key$/i;
const secretValue = /-----BEGIN [A-Z ]*PRIVATE KEY-----|\bBearer\s+\S+|\beyJ[\w-]+\.[\w-]+\.[\w-]+/g;
const levels = new Map<string, LogLevel>([["", "info"]]);

/** Sets the level of a scope and of everything under it; scope "" is the whole process. */
export function setLogLevel(level: LogLevel, scope = ""): void {
  levels.set(scope, level);
}

function enabled(scope: string, level: LogLevel): boolean {
  for (let s = scope; ; s = s.slice(0, Math.max(0, s.lastIndexOf(".")))) {
    const at = levels.get(s);
    if (at !== undefined) return logLevels.indexOf(level) >= logLevels.indexOf(at);
    if (s === "") return true;
  }
}

/** Replaces what looks like a secret, by key or by shape; depth-limited so that no cycle hangs it. */
function redact(key: string, value: unknown, depth = 0): unknown {
  if (secretKey.test(key) && value !== undefined && typeof value !== "boolean") return "[redacted]";
  if (typeof value === "string") return value.replace(secretValue, "[redacted]");
  if (value instanceof Error) return (value.stack ?? value.message).replace(secretValue, "[redacted]");
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth > 5) return "[deep]";
  if (Array.isArray(value)) return value.map((v) => redact("", v, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, redact(k, v, depth + 1)]));
}

function text(level: LogLevel, scope: string, message: string, fields: LogFields): string {
  const rest = Object.entries(fields)
    .map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`)
    .join(" ");
  return `${level.toUpperCase().padEnd(5)} ${scope ? `${scope}: ` : ""}${message}${rest ? `  ${rest}` : ""}`;
}

/** A logger that writes one line a call, synchronously. */
export function createLogger(options: LogOptions = {}, fields: LogFields = {}): Logger {
  const scope = options.scope ?? "";
  const format = options.format ?? (process.stderr.isTTY ? "text" : "json");
  const sink = options.sink ?? ((line) => process.stderr.write(`${line}\n`));
  const wall = options.wall ?? Date.now;
  const write = (level: LogLevel, message: string, more: LogFields = {}): void => {
    if (!enabled(scope, level)) return;
    const all = redact("", { ...fields, ...more }) as LogFields;
    const clean = message.replace(secretValue, "[redacted]");
    const time = new Date(wall()).toISOString();
    sink(
      format === "json"
        ? JSON.stringify({ time, level, scope: scope || undefined, message: clean, ...all })
        : text(level, scope, clean, all),
    );
  };
  return {
    debug: (m, f) => write("debug", m, f),
    info: (m, f) => write("info", m, f),
    warn: (m, f) => write("warn", m, f),
    error: (m, f) => write("error", m, f),
    enabled: (level) => enabled(scope, level),
    child: (name, more = {}) =>
      createLogger({ ...options, scope: scope ? `${scope}.${name}` : name }, { ...fields, ...more }),
  };
}
