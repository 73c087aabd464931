import { ExitCode } from "@stricli/core";
import { exitStatus as status } from "../app/problem/index.ts";

/** Stricli's negative codes as Weft's: 64 for a command line that cannot be understood. */
export function exitStatus(code: number | string | null | undefined): number {
  const n = Number(code ?? 0);
  if (n === ExitCode.UnknownCommand || n === ExitCode.InvalidArgument) return status.usage;
  return n < 0 ? status.failed : n;
}
