/**
 * `make build`: one executable, dist/weft. The workers are entry points of their own, beside main.ts, and the format is
 * ESM: with CJS the build machine's path would be baked into import.meta.url.
 */
import { mkdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dir, "..");
const { values } = parseArgs({ options: { outfile: { type: "string" } } });
const outfile = resolve(values.outfile ?? join(root, "dist/weft"));
mkdirSync(dirname(outfile), { recursive: true });
rmSync(outfile, { force: true });
const run = Bun.spawnSync(
  [
    process.execPath,
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    "--splitting",
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
console.log(`${values.outfile ?? "dist/weft"}: ${(statSync(outfile).size / 1e6).toFixed(0)} MB`);
