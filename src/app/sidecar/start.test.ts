/** A sidecar that cannot start says why at once. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { createLogger, systemClock, systemRng } from "../../base/index.ts";
import { refs } from "../../kube/client/index.ts";
import { type MeshHarness, startMesh } from "../../testkit/mesh-harness.ts";
import { Problem } from "../problem/index.ts";
import { startSidecar } from "./index.ts";

let mesh: MeshHarness;
beforeAll(async () => {
  mesh = await startMesh();
});
afterAll(() => mesh.stop());

test("a data thread that cannot run ends `weft run` with its cause, and nothing stays registered", async () => {
  const stateDir = join(mesh.dir, "broken");
  const began = systemClock.now();
  const failure = await startSidecar({
    client: mesh.dev.client,
    namespace: "default",
    service: "broken",
    port: 9080,
    stateDir,
    stateRoot: stateDir,
    concurrency: 1,
    command: [],
    cwd: mesh.dir,
    env: {},
    createWorker: () => new Worker(URL.createObjectURL(new Blob(["throw new Error('no room here')"]))),
    weftVersion: "test",
    clock: systemClock,
    rng: systemRng,
    log: createLogger({ sink: () => {} }),
  }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(Problem);
  expect((failure as Problem).message).toBe("the proxy cannot run");
  expect((failure as Problem).why).toMatch(/data thread 0 cannot start: .*no room here/);
  // Not after the 30 s that a control plane is waited for.
  expect(systemClock.now() - began).toBeLessThan(10_000);
  expect(await mesh.dev.client.listAll(refs.workloadEntry)).toMatchObject({ items: [] });
}, 30_000);
