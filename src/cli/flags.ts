import type { TypedFlagParameter } from "@stricli/core";
import type { CliContext } from "./context.ts";

type Flag<T> = TypedFlagParameter<T, CliContext>;

const text = (input: string): string => input;

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
