/** `make demo-kube`: starts a real kube-apiserver and tells the demo's story on it; skips visibly where there is none. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startReal } from "./servers.ts";
import { ensureEtcd } from "./setup.ts";

const bin = await ensureEtcd();
if (bin) process.env["PATH"] = `${bin}:${process.env["PATH"]}`;
const dir = mkdtempSync(join(tmpdir(), "weft-demo-kube-"));
const real = await startReal(dir);
let status = 0;
if (real === undefined) process.stdout.write("SKIPPED: there is no real kube-apiserver to play on\n");
else {
  const demo = join(import.meta.dir, "../../demo/main.ts");
  const story = Bun.spawn([process.execPath, demo, "--cluster", real.kubeconfig, ...process.argv.slice(2)], {
    ...{ stdin: "inherit", stdout: "inherit", stderr: "inherit" },
  });
  // Ctrl-C reaches the story by itself; the server outlives it.
  process.on("SIGINT", () => undefined);
  status = await story.exited;
  await real.stop();
}
rmSync(dir, { recursive: true, force: true });
process.exit(status);
