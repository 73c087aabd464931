import { createLogger, type Logger, type LogLevel, logLevels, setLogLevel } from "../../base/index.ts";
import { exitStatus, Problem } from "../problem/index.ts";

export interface LogFlags {
  /** `info`, or by scope: `info,xds.server:debug`. */
  readonly logLevel?: string;
  readonly logFormat?: "json" | "text";
}

/** The process's logger, on stderr; levels as the flag says. */
export function setUpLogging(flags: LogFlags, scope?: string): Logger {
  for (const word of (flags.logLevel ?? "info").split(",")) {
    const [a = "", b] = word.split(":");
    const [where, level] = b === undefined ? ["", a] : [a, b];
    if (!logLevels.includes(level as LogLevel))
      throw new Problem(`--log-level ${word}: no such level`, {
        mend: `use ${logLevels.join(", ")}, or scope:level`,
        exit: exitStatus.usage,
      });
    setLogLevel(level as LogLevel, where);
  }
  return createLogger({
    ...(scope === undefined ? {} : { scope }),
    ...(flags.logFormat === undefined ? {} : { format: flags.logFormat }),
  });
}
