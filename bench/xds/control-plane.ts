/**
 * The control plane for xdsbench: API server, translation, rendering and xDS of this program, with as many services of
 * two endpoints each as are asked for. A stranger on the plain port is taken for a proxy of `default`, since xdsbench
 * shows no credential. Prints one line when it serves; `POST /change?ip=` moves one endpoint, `GET /usage` tells CPU
 * and peak memory, `POST /stop` ends it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, systemClock, systemRng } from "../../src/base/index.ts";
import { startApiServer } from "../../src/kube/apiserver/index.ts";
import { createKubeClient, type KubeObject, loadKubeconfig, refs } from "../../src/kube/client/index.ts";
import { createControlPlane } from "../../src/mesh/control/index.ts";
import { createGrpcServer } from "../../src/wire/grpc/index.ts";
import { createXdsServer } from "../../src/xds/server/index.ts";

const services = Number(process.argv[2] ?? 1000);
const port = Number(process.argv[3] ?? 0);
const dir = mkdtempSync(join(tmpdir(), "weft-xdsbench-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
const log = createLogger({ sink: () => {} });
const clock = systemClock;

const api = await startApiServer({
  dataDir: dir,
  port: 0,
  clock,
  log,
  storeWorker: () => new Worker(new URL("../../src/store-worker.ts", import.meta.url)),
});
const client = createKubeClient(loadKubeconfig({ path: api.kubeconfigPath }), { clock });

const name = (i: number): string => `service-${i}`;

function slice(i: number, second: string): KubeObject {
  const first = `10.50.${Math.floor(i / 250)}.${(i % 250) + 1}`;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: name(i), namespace: "default", labels: { "kubernetes.io/service-name": name(i) } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: [first, second].map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
}

for (let i = 0; i < services; i++) {
  await client.create(refs.service, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: name(i), namespace: "default" },
    spec: { ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  });
  await client.create(refs.endpointSlice, slice(i, `10.51.${Math.floor(i / 250)}.${(i % 250) + 1}`));
}

const control = createControlPlane({ client, clock, rng: systemRng, log });
await control.start();
const principal = { namespace: "default", serviceAccount: "default" };
const xds = createXdsServer({ source: control.source, authenticate: async () => principal, clock, log });
const grpc = await createGrpcServer({ host: "127.0.0.1", port, methods: xds.methods, clock, log });
const began = process.cpuUsage();
const web = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/change") {
      await client.apply(refs.endpointSlice, slice(0, url.searchParams.get("ip") ?? ""));
      return new Response("changed\n");
    }
    if (url.pathname === "/stop") {
      setImmediate(() => process.exit(0));
      return new Response("bye\n");
    }
    const { user, system } = process.cpuUsage(began);
    const status = readFileSync("/proc/self/status", "utf8");
    const kb = (field: string): number => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]);
    return Response.json({
      cpuSeconds: (user + system) / 1e6,
      peakMb: Math.round(kb("VmHWM") / 1024),
      nowMb: Math.round(kb("VmRSS") / 1024),
      translationMs: Math.round(control.info().lastMs),
      connections: grpc.connections,
      streams: xds.streams,
      synced: xds.status().filter((s) => s.types.length >= 2 && s.types.every((t) => t.state === "SYNCED"))
        .length,
    });
  },
});
process.stdout.write(`${JSON.stringify({ xds: `127.0.0.1:${grpc.port}`, web: `127.0.0.1:${web.port}` })}\n`);
