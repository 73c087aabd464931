/**
 * Runs the whole test suite with the runner's JUnit report and closes with one line counted from it:
 * `tests: N passed, N failed, N skipped`. Arguments are passed on to `bun test` (paths, -t pattern).
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const report = join(root, ".cache/junit.xml");
mkdirSync(join(root, ".cache"), { recursive: true });
rmSync(report, { force: true });
const args = process.argv.slice(2);
const run = Bun.spawnSync(
  [
    process.execPath,
    "test",
    "--timeout",
    "60000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...args,
  ],
  { cwd: root, stdout: "inherit", stderr: "inherit" },
);
const head = /<testsuites[^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "";
const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
const [all, failed, skipped] = [count("tests"), count("failures") + count("errors"), count("skipped")];
console.log(`tests: ${all - failed - skipped} passed, ${failed} failed, ${skipped} skipped`);
process.exit(run.exitCode === 0 && all > 0 && failed === 0 ? 0 : 1);
