/** `weft run --proxy grpc` from the command line. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CliRun, runWeft } from "../../../src/testkit/cli.ts";
import { type MeshHarness, startMesh } from "../../../src/testkit/mesh-harness.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-run-grpc-"));
let mesh: MeshHarness;
beforeAll(async () => {
  mesh = await startMesh();
}, 30_000);
afterAll(async () => {
  await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
}, 30_000);

const weft = (...args: string[]): Promise<CliRun> =>
  runWeft(args, {
    cwd: dir,
    env: { ...process.env, WEFT_KUBECONFIG: mesh.dev.kubeconfigPath, XDG_STATE_HOME: dir },
  });

test("the command gets bootstrap, address and port, no proxy; its exit status is passed on", async () => {
  const script = 'cat "$GRPC_XDS_BOOTSTRAP"; echo "$HOST $PORT [$https_proxy]" >&2; exit 7';
  const { out, talk, status } = await weft(
    "run",
    "--proxy",
    "grpc",
    "--service",
    "web",
    "--port",
    "50051",
    "--",
    "sh",
    "-c",
    script,
  );
  expect(status).toBe(7);
  expect(talk).toMatch(/^127\.66\.\d+\.\d+ 50051 \[.*\]$/m);
  expect(talk).not.toContain("15001");
  const bootstrap = JSON.parse(out) as { node: { metadata: Record<string, unknown> } };
  expect(bootstrap.node.metadata).toMatchObject({ GENERATOR: "grpc", NAMESPACE: "default" });
}, 30_000);

test("flags that are for a proxy are refused", async () => {
  const { talk, status } = await weft(
    "run",
    "--proxy",
    "grpc",
    "--service",
    "web",
    "--port",
    "1",
    "--ready-path",
    "/",
    "--",
    "true",
  );
  expect(status).toBe(64);
  expect(talk).toContain("--ready-path");
}, 20_000);
