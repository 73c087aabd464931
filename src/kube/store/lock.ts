/**
 * One process a store. SQLite's own exclusive lock decides (the kernel drops it when its holder dies, however it
 * dies); a file beside the database says who holds it, so that the refusal can name the holder.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface Owner {
  readonly pid: number;
  readonly command: string;
}

const ownerFile = (file: string): string => `${file}.owner`;

/** Notes this process as the holder. Call it with the lock in hand. */
export function noteOwner(file: string): void {
  const owner: Owner = { pid: process.pid, command: process.argv.slice(1).join(" ") };
  writeFileSync(ownerFile(file), `${JSON.stringify(owner)}\n`, { mode: 0o600 });
}

/** The refusal for a store that another holds. */
export function heldError(file: string): Error {
  let who = "another process";
  try {
    const owner = JSON.parse(readFileSync(ownerFile(file), "utf8")) as Owner;
    who = `process ${owner.pid} (${owner.command})`;
  } catch {
    // The holder is between taking the lock and noting itself: the refusal stands without a name.
  }
  return new Error(`${file} is in use by ${who}. Stop that process, or choose another data directory.`);
}
