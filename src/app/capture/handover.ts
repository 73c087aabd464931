/** What the `weft run` outside prepared for the one inside: one file, named in the environment. */
import { readFileSync, writeFileSync } from "node:fs";
import { Problem } from "../problem/index.ts";
import { handoverVariable } from "./addresses.ts";
import type { Inside } from "./inside.ts";

export interface Handover {
  /** Socket of the gate to outside. */
  readonly gate: string;
  /** Where the way back in is to be. */
  readonly entrance: string;
  readonly inside: Inside;
  /** Whom the application runs as. */
  readonly user: { readonly uid: number; readonly gid: number };
  readonly adminAddress: string;
}

export function writeHandover(file: string, handover: Handover): void {
  writeFileSync(file, JSON.stringify(handover), { mode: 0o600 });
}

/** Undefined where nothing was prepared: the rules are somebody else's. */
export function readHandover(env: Readonly<Record<string, string | undefined>>): Handover | undefined {
  const file = env[handoverVariable];
  if (file === undefined || file === "") return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Handover;
  } catch (error) {
    throw new Problem(`${handoverVariable} names no usable file`, { why: String(error) });
  }
}
