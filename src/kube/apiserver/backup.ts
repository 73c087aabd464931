/** The whole of a server in one file: its store, and the keys by which clients know it. */
import { randomUUID } from "node:crypto";
import { createReadStream, existsSync, openSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Restored, restoreBackup, type Store, sealBackup } from "../store/index.ts";
import { pkiFiles, writePki } from "./pki.ts";

/** Where an administrator gets it; no path of Kubernetes'. */
export const backupPath = "/weft/backup";

export const storeFile = (dataDir: string): string => join(dataDir, "store", "weft.db");

/** Of one moment, while the server goes on; the file is gone from the folder before the first byte is sent. */
export async function streamBackup(store: Store, dataDir: string): Promise<Response> {
  const file = join(dataDir, `backup-${randomUUID()}.tmp`);
  try {
    await store.backup(file);
    const names = pkiFiles.filter((name) => existsSync(join(dataDir, "pki", name)));
    sealBackup(
      file,
      Object.fromEntries(names.map((name) => [name, readFileSync(join(dataDir, "pki", name), "utf8")])),
    );
    const bytes = createReadStream("", { fd: openSync(file, "r") });
    return new Response(Readable.toWeb(bytes) as unknown as ReadableStream<Uint8Array>, {
      headers: { "content-type": "application/vnd.sqlite3", "cache-control": "no-store" },
    });
  } finally {
    if (existsSync(file)) unlinkSync(file);
  }
}

/** Fills a data directory from a backup. Throws, and changes nothing, where a server holds it or the file is no backup. */
export function restoreData(backup: string, dataDir: string, program: string): Restored {
  const restored = restoreBackup(backup, storeFile(dataDir), program);
  writePki(dataDir, restored.kept);
  return restored;
}
