import type { TypedFlagParameter } from "@stricli/core";
import type { CliContext } from "./context.ts";

type Flag<T> = TypedFlagParameter<T, CliContext>;

const text = (input: string): string => input;

/** A positional argument that takes a string. */
export const wordArgument = (placeholder: string, brief: string) => ({ parse: text, brief, placeholder });

/** An optional flag that takes a string. */
export function textFlag(brief: string, placeholder: string): Flag<string | undefined> {
  return { kind: "parsed", parse: text, optional: true, brief, placeholder };
}

/** A repeatable flag that takes strings. */
export function listFlag(brief: string, placeholder: string): Flag<readonly string[] | undefined> {
  return { kind: "parsed", parse: text, optional: true, variadic: true, brief, placeholder };
}

/** An optional whole number within [min, max]. */
export function numberFlag(
  brief: string,
  placeholder: string,
  min: number,
  max: number,
): Flag<number | undefined> {
  const parse = (input: string): number => {
    const value = /^\d+$/.test(input) ? Number(input) : Number.NaN;
    if (!(value >= min && value <= max)) throw new Error(`expected a whole number from ${min} to ${max}`);
    return value;
  };
  return { kind: "parsed", parse, optional: true, brief, placeholder };
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** An optional length of time with its unit, `90s`, `10m` or `24h`, within [min, max] ms; parsed to milliseconds. */
export function durationFlag(brief: string, min: number, max: number): Flag<number | undefined> {
  const word = (ms: number): string => {
    const unit = ["h", "m", "s"].find((u) => ms % unitMs[u]! === 0) ?? "s";
    return `${ms / unitMs[unit]!}${unit}`;
  };
  const parse = (input: string): number => {
    const [, count, unit] = /^(\d{1,9})([smh])$/.exec(input) ?? [];
    const ms = Number(count) * (unitMs[unit ?? ""] ?? Number.NaN);
    if (!(ms >= min && ms <= max))
      throw new Error(`expected a time from ${word(min)} to ${word(max)}, as 90s, 10m or 24h`);
    return ms;
  };
  return { kind: "parsed", parse, optional: true, brief, placeholder: "TIME" };
}

export function switchFlag(brief: string): Flag<boolean | undefined> {
  return { kind: "boolean", optional: true, withNegated: false, brief };
}

export const kubeconfigFlag = textFlag(
  "kubeconfig file (else WEFT_KUBECONFIG, KUBECONFIG, ./.weft, ~/.kube/config)",
  "FILE",
);
export const namespaceFlag = textFlag("namespace (default: the kubeconfig's)", "NS");

/** Flags that every command against an API server takes. */
export interface ClientFlags {
  readonly kubeconfig?: string;
  readonly namespace?: string;
}
export const clientFlags = { kubeconfig: kubeconfigFlag, namespace: namespaceFlag };
