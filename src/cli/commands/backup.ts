import { createWriteStream, existsSync, renameSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { exitStatus, Problem } from "../../app/problem/index.ts";
import { backupPath, checkBackup, restoreData } from "../../kube/apiserver/index.ts";
import { isKubeError } from "../../kube/client/index.ts";
import { defaultDataDir, openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";

/** `weft backup FILE`: the running API server's store and keys, of one moment. */
export async function backup(this: CliContext, flags: ClientFlags, name: string): Promise<void> {
  const file = resolve(this.cwd, name);
  if (existsSync(file))
    throw new Problem(`${name} exists`, { mend: "choose another name", exit: exitStatus.usage });
  const part = `${file}.part`;
  try {
    const body = await openSession(this, flags).client.download(backupPath);
    await pipeline(Readable.fromWeb(body as never), createWriteStream(part, { mode: 0o600, flush: true }));
    const objects = checkBackup(part);
    renameSync(part, file);
    this.process.stdout.write(`${name}: ${objects} objects\n`);
    this.process.stderr.write("It holds the keys of the mesh: keep it as you keep those.\n");
  } catch (error) {
    rmSync(part, { force: true });
    if (isKubeError(error, 404))
      throw new Problem("this API server is not Weft's own", {
        mend: "back up a Kubernetes cluster with its own means (etcdctl snapshot save)",
      });
    throw error;
  }
}

export interface RestoreFlags {
  readonly dataDir?: string;
}

/** `weft restore FILE`: into a data directory that no server uses. */
export function restore(this: CliContext, flags: RestoreFlags, name: string): void {
  const dataDir = flags.dataDir ?? defaultDataDir;
  try {
    const program = `Weft ${this.version}`;
    const done = restoreData(resolve(this.cwd, name), resolve(this.cwd, dataDir), program);
    const { objects, before } = done;
    this.process.stdout.write(`${dataDir}: ${objects} objects\n`);
    if (before !== undefined) this.process.stderr.write(`What was there lies in ${before} now.\n`);
  } catch (error) {
    throw new Problem(error instanceof Error ? error.message : String(error), { exit: exitStatus.data });
  }
}
