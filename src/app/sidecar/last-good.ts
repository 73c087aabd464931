/**
 * What a sidecar needs beside its certificate and its last configuration to start while API server and control plane
 * are away: who it is in the mesh and where the control plane was. One file, 0600, with format version and checksum.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadSvid } from "../../identity/svid/index.ts";
import type { Registration } from "./register.ts";
import type { ControlPlaneAddress } from "./trust.ts";

export interface LastGood {
  readonly plane: ControlPlaneAddress;
  readonly registration: Registration;
}

/** Files of the state folder. */
export const stateFiles = {
  lastGood: "last-good.json",
  configuration: "last-good.bin",
  identity: "identity",
} as const;

const format = 1;
/** Longest file read. */
const maxBytes = 1024 * 1024;

const sum = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");

/** Replaces the file in one step. */
export function saveLastGood(stateDir: string, lastGood: LastGood): void {
  const body = JSON.stringify(lastGood);
  const file = join(stateDir, stateFiles.lastGood);
  writeFileSync(`${file}.new`, `${JSON.stringify({ format, sha256: sum(body), body })}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** What was saved, or why it cannot be used. */
export function loadLastGood(stateDir: string): LastGood | { readonly reason: string } {
  const file = join(stateDir, stateFiles.lastGood);
  if (!existsSync(file)) return { reason: "this instance never ran before" };
  try {
    const text = readFileSync(file, "utf8");
    if (text.length > maxBytes) return { reason: "the file is too long" };
    const outer = JSON.parse(text) as { format?: unknown; sha256?: unknown; body?: unknown };
    if (outer.format !== format) return { reason: `format ${String(outer.format)} is not known here` };
    if (typeof outer.body !== "string" || sum(outer.body) !== outer.sha256)
      return { reason: "checksum mismatch" };
    return JSON.parse(outer.body) as LastGood;
  } catch (error) {
    return { reason: `unreadable: ${error instanceof Error ? error.message : error}` };
  }
}

/** What this start asks for; undefined: whatever it was. */
export type Wanted = Partial<Registration> &
  Pick<Registration, "namespace" | "service" | "serviceAccount" | "port">;

/** The last good state, if a sidecar as wanted can serve from it now; else why not. */
export function recall(
  stateDir: string,
  wanted: Wanted,
  wall: number,
): LastGood | { readonly reason: string } {
  const saved = loadLastGood(stateDir);
  if ("reason" in saved) return saved;
  for (const [field, value] of Object.entries(wanted)) {
    const was = saved.registration[field as keyof Registration];
    if (value !== undefined && value !== was)
      return { reason: `it ran with ${field} ${String(was)}, and ${String(value)} is wanted` };
  }
  if (!existsSync(join(stateDir, stateFiles.configuration))) return { reason: "no configuration was kept" };
  const svid = loadSvid(join(stateDir, stateFiles.identity));
  if (svid === undefined) return { reason: "no certificate was kept" };
  if ("reason" in svid) return { reason: `the certificate: ${svid.reason}` };
  if (svid.notAfter <= wall) return { reason: "the certificate has expired" };
  return saved;
}
