import {
  type ApplicationText,
  ArgumentParseError,
  ArgumentScannerError,
  formatMessageForArgumentScannerError,
  text_en,
} from "@stricli/core";
import { exitStatus, type Finding, formatFinding, Problem } from "../app/problem/index.ts";
import type { Style } from "./style.ts";

/** What a thrown value says to a person; a stack only for what is a bug of ours. */
export function findingOf(error: unknown): Finding {
  if (error instanceof Problem) {
    return {
      severity: "error",
      what: error.message,
      ...(error.where === undefined ? {} : { where: error.where }),
      ...(error.why === undefined ? {} : { why: error.why }),
      ...(error.mend === undefined ? {} : { mend: error.mend }),
    };
  }
  const e = error as { name?: string; message?: string; code?: string; status?: number; reason?: string };
  if (e?.name === "KubeError") {
    return { severity: "error", what: e.message ?? "the API server refused", why: `${e.status} ${e.reason}` };
  }
  if (e?.code === "ConnectionRefused" || e?.code === "ECONNREFUSED") {
    return {
      severity: "error",
      what: "cannot reach the API server",
      ...(e.message ? { why: e.message } : {}),
      mend: "is `weft dev` running? --kubeconfig FILE names another server",
    };
  }
  return {
    severity: "error",
    what: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    why: error instanceof Error ? (error.stack?.split("\n").slice(1, 6).join("\n        ") ?? "") : "",
  };
}

/** Exit status of a thrown value. */
export function exitOf(error: unknown): number {
  return error instanceof Problem ? error.exit : exitStatus.failed;
}

function usage(error: unknown): string {
  if (!(error instanceof ArgumentScannerError)) return String((error as Error)?.message ?? error);
  if (error instanceof ArgumentParseError) {
    const why = error.exception instanceof Error ? error.exception.message : String(error.exception);
    return `--${error.externalFlagNameOrPlaceholder} ${error.input}: ${why}`;
  }
  return formatMessageForArgumentScannerError(error, {
    FlagNotFoundError: (e) =>
      `no flag --${e.input}${e.corrections.length ? `; did you mean ${e.corrections.map((c) => (c.startsWith("-") ? c : `--${c}`)).join(" or ")}?` : ""}`,
    AliasNotFoundError: (e) => `no flag -${e.input}`,
    EnumValidationError: (e) =>
      `--${e.externalFlagName} takes ${e.values.join(", ")}; it was given ${e.input}`,
    UnsatisfiedFlagError: (e) => `--${e.externalFlagName} needs a value`,
    UnsatisfiedPositionalError: (e) => `${e.placeholder} is missing`,
    UnexpectedPositionalError: (e) => `unexpected argument ${e.input}`,
  });
}

/** Texts for Stricli in Weft's own style of errors. */
export function errorTexts(talk: Style): ApplicationText {
  const print = (finding: Finding): string => formatFinding(finding, talk).trimEnd();
  return {
    ...text_en,
    exceptionWhileParsingArguments: (error) =>
      print({ severity: "error", what: usage(error), mend: "`--help` after the command shows its flags" }),
    exceptionWhileRunningCommand: (error) => print(findingOf(error)),
    exceptionWhileLoadingCommandFunction: (error) => print(findingOf(error)),
    exceptionWhileLoadingCommandContext: (error) => print(findingOf(error)),
    commandErrorResult: (error) => print(findingOf(error)),
    noCommandRegisteredForInput: ({ input, corrections }) =>
      print({
        severity: "error",
        what: `no command \`${input}\``,
        mend: corrections.length ? `did you mean ${corrections.join(" or ")}?` : "`weft --help` lists them",
      }),
  };
}
