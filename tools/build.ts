/**
 * `make build`: one executable, dist/weft. The workers are entry points of their own, beside main.ts, and the format is
 * ESM: with CJS the build machine's path would be baked into import.meta.url.
 */
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const outfile = join(root, "dist/weft");
mkdirSync(join(root, "dist"), { recursive: true });
rmSync(outfile, { force: true });
const run = Bun.spawnSync(
  [
    process.execPath,
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm",
    "--sourcemap=none",
    "./src/main.ts",
    "./src/worker.ts",
    "./src/store-worker.ts",
    "--outfile",
    outfile,
  ],
  { cwd: root, stdout: "inherit", stderr: "inherit" },
);
if (run.exitCode !== 0) process.exit(run.exitCode ?? 1);
console.log(`dist/weft: ${(statSync(outfile).size / 1e6).toFixed(0)} MB`);
