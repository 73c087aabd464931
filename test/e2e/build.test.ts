/** The executable stands alone: workers, seed manifests and applications are inside. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../src/testkit/mesh-harness.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-build-"));
const weft = join(dir, "weft");
const env = { ...process.env, NO_COLOR: "1", WEFT_KUBECONFIG: join(dir, "data/kubeconfig") };

beforeAll(() => {
  const build = Bun.spawnSync([
    process.execPath,
    join(import.meta.dir, "../../tools/build.ts"),
    "--outfile",
    weft,
  ]);
  expect(build.exitCode).toBe(0);
}, 60_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const run = (...args: string[]) =>
  Bun.spawn([weft, ...args], { cwd: dir, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });

test("runs far from its sources: version, then a mesh with one workload", async () => {
  const version = run("version");
  expect(await version.stdout.text()).toMatch(/^weft \d+\.\d+\.\d+ /);
  const ports = ["--api-port", "0", "--xds-port", "0", "--plain-xds-port", "0", "--debug-port", "0"];
  const dev = run("dev", "--data-dir", "data", ...ports);
  await eventually(async () => existsSync(join(dir, "data/kubeconfig")), 20_000);
  const app = run(
    "run",
    "--service",
    "details",
    "--port",
    "9080",
    "--state-dir",
    "state",
    "--ready-path",
    "/healthz",
    "--",
    weft,
    "demo-app",
    "details",
  );
  await eventually(async () => {
    const status = run("proxy-status", "-o", "json");
    const text = await status.stdout.text();
    return (await status.exited) === 0 && text.includes('"workload": "details-') && !text.includes("STALE");
  }, 20_000);
  app.kill("SIGTERM");
  expect(await app.exited).toBe(0);
  dev.kill("SIGTERM");
  expect(await dev.exited).toBe(0);
}, 60_000);
