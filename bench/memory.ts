/**
 * `make bench-memory`: resident memory of an idle sidecar that knows 1,000 services with two endpoints each, ADS and SDS
 * connected: Weft's `weft run` whole, and Envoy 1.40 alone, under the same control plane.
 * Options: --services N, --out FILE.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { delay, systemClock } from "../src/base/index.ts";
import { refs } from "../src/kube/client/index.ts";
import { eventually, type MeshHarness, startMesh } from "../src/testkit/mesh-harness.ts";
import { ensureEnvoy, envoyVersion } from "../src/testkit/peers.ts";

const { values: options } = parseArgs({
  options: { services: { type: "string", default: "1000" }, out: { type: "string" } },
});
const services = Number(options.services);
const root = join(import.meta.dir, "..");
/** After this nothing that was only needed at the start is left. */
const restMs = 20_000;

const residentMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;

async function fill(mesh: MeshHarness): Promise<void> {
  const { client } = mesh.dev;
  const one = async (i: number): Promise<void> => {
    const name = `svc-${i}`;
    const labels = { app: name, "security.istio.io/tlsMode": "istio" };
    await client.create(refs.service, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { selector: { app: name }, ports: [{ name: "http", port: 8080, targetPort: 8080 }] },
    });
    for (const n of [1, 2])
      await client.create(refs.workloadEntry, {
        apiVersion: "networking.istio.io/v1",
        kind: "WorkloadEntry",
        metadata: { name: `${name}-${n}`, namespace: "default", labels },
        spec: {
          address: `10.${n}.${i >> 8}.${i & 255}`,
          labels,
          serviceAccount: name,
          ports: { http: 8080 },
        },
      });
  };
  for (let at = 0; at < services; at += 50)
    await Promise.all(Array.from({ length: Math.min(50, services - at) }, (_, i) => one(at + i)));
}

interface Measured {
  readonly agentMb: number;
  readonly envoyMb: number | undefined;
  readonly clusters: number;
}

async function measure(mesh: MeshHarness, kind: "weft" | "envoy", envoy: string): Promise<Measured> {
  const stateDir = join(mesh.dir, `bench-${kind}`);
  const kubeconfig = join(mesh.dir, "kubeconfig");
  await Bun.write(kubeconfig, readFileSync(mesh.dev.kubeconfigPath));
  const more = kind === "envoy" ? ["--proxy", "envoy", "--envoy-path", envoy] : [];
  const argv = ["run", "--service", `caller-${kind}`, "--port", "9080", "--state-dir", stateDir, ...more];
  const child = Bun.spawn([process.execPath, join(root, "src/main.ts"), ...argv, "--", "sleep", "600"], {
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    const { address } = await eventually(async () => {
      const file = join(stateDir, "instance.json");
      const at = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
      return at.address === undefined ? undefined : (at as { address: string });
    }, 30_000);
    const clusters = await eventually(async () => {
      const page = await (await fetch(`http://${address}:15000/clusters?format=json`)).json();
      const count = (page as { cluster_statuses?: unknown[] }).cluster_statuses?.length ?? 0;
      return count >= services ? count : undefined;
    }, 60_000);
    await delay(systemClock, restMs);
    const pidFile = join(stateDir, "envoy.pid");
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : undefined;
    return {
      agentMb: residentMb(child.pid),
      envoyMb: pid === undefined ? undefined : residentMb(pid),
      clusters,
    };
  } finally {
    child.kill("SIGTERM");
    await child.exited;
  }
}

async function main(): Promise<number> {
  const envoy = ensureEnvoy();
  if (envoy === undefined) {
    console.log("bench: skipped, it needs Envoy");
    return 0;
  }
  const mesh = await startMesh({ defaultMtls: "permissive" });
  try {
    await fill(mesh);
    const weft = await measure(mesh, "weft", envoy);
    const other = await measure(mesh, "envoy", envoy);
    const ratio = weft.agentMb / (other.envoyMb ?? Number.NaN);
    const line = (what: string, mb: number | undefined): void =>
      console.log(`${what.padEnd(40)} ${(mb ?? Number.NaN).toFixed(1)} MB`);
    console.log(`${services} services with two endpoints, mutual TLS, idle for ${restMs / 1000} s`);
    line("weft run, whole process", weft.agentMb);
    line(`Envoy ${envoyVersion} alone`, other.envoyMb);
    line("the agent beside that Envoy", other.agentMb);
    console.log(`${ratio <= 1 ? "holds" : "MISSES"}: Weft takes ${ratio.toFixed(2)} of Envoy's, at most 1`);
    if (options.out)
      writeFileSync(options.out, `${JSON.stringify({ services, weft, envoy: other, ratio }, null, 2)}\n`);
    return ratio <= 1 ? 0 : 1;
  } finally {
    await mesh.stop();
  }
}

process.exit(await main());
