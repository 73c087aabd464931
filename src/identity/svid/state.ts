/** The SVID on disk: one file, so that key and certificate never disagree; written whole or not at all. */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Svid } from "./svid.ts";

const fileName = "svid.json";
const formatVersion = 1;
/** Longest file read. */
export const maxStateBytes = 1024 * 1024;

/** Writes svid.json, 0600, in a folder made 0700; through a temporary file and rename, with fsync. */
export function saveSvid(stateDir: string, svid: Svid): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  chmodSync(stateDir, 0o700);
  const temporary = join(stateDir, `.${fileName}.${process.pid}`);
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, "wx", 0o600);
  try {
    fchmodSync(fd, 0o600);
    writeSync(fd, JSON.stringify({ formatVersion, ...svid }));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, join(stateDir, fileName));
  const folder = openSync(stateDir, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

const strings = ["id", "certPem", "keyPem", "caPem"] as const;

/** What was saved, or why it cannot be read; undefined where there is no file. Others' rights are taken away. */
export function loadSvid(stateDir: string): Svid | { readonly reason: string } | undefined {
  const path = join(stateDir, fileName);
  try {
    const { size, mode } = statSync(path);
    if (size > maxStateBytes) return { reason: "the file is too long" };
    if (mode & 0o077) return { reason: "others could read the key: a new one is made" };
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null) return { reason: "it is no object" };
    const record = value as Record<string, unknown>;
    if (record["formatVersion"] !== formatVersion) return { reason: "unknown format version" };
    for (const key of strings) if (typeof record[key] !== "string") return { reason: `${key} is missing` };
    const { issuedAt, notAfter } = record;
    if (typeof issuedAt !== "number" || typeof notAfter !== "number") return { reason: "times are missing" };
    const [id, certPem, keyPem, caPem] = strings.map((key) => record[key] as string) as [
      string,
      string,
      string,
      string,
    ];
    return { id, certPem, keyPem, caPem, issuedAt, notAfter };
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}
