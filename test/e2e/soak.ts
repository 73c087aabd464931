/** `make soak`: 500 requests a second on 50 kept connections through two sidecars while routes are edited 30 times. */
import { eventually, startMesh } from "../../src/testkit/mesh-harness.ts";
import { openLoop, virtualService } from "./open-loop.ts";

const mesh = await startMesh();
try {
  const version = (v: string) => mesh.add({ service: "versions", version: v, app: () => new Response(v) });
  const [caller] = await Promise.all([
    mesh.add({ service: "caller", concurrency: 2 }),
    version("v1"),
    version("v2"),
  ]);
  await mesh.apply(virtualService("v1"));
  await eventually(async () => (await (await caller.fetch("http://versions:9080/")).text()) === "v1");
  const result = await openLoop(mesh, caller, { perSecond: 500, connections: 50, seconds: 60, edits: 30 });
  const slowest = Math.max(...result.seenAfterMs);
  console.log(
    `${result.sent} requests, statuses ${JSON.stringify(result.statuses)}, ${result.closed} connections closed`,
  );
  console.log(`latency p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms`);
  console.log(`${result.seenAfterMs.length} edits, each seen after at most ${slowest.toFixed(0)} ms`);
  const ok = result.statuses["200"] === result.sent && result.closed === 0 && slowest < 1_000;
  console.log(ok ? "no request noticed" : "not as promised");
  process.exitCode = ok ? 0 : 1;
} finally {
  await mesh.stop();
}
