import { join, resolve } from "node:path";
import { type Dev, startDev } from "../../app/dev/index.ts";
import { setUpLogging } from "../../app/logging/index.ts";
import {
  type Applied,
  applyManifests,
  loadManifests,
  type ManifestObject,
} from "../../app/manifests/index.ts";
import { type Finding, formatFinding } from "../../app/problem/index.ts";
import type { KubeObject as TranslatedObject } from "../../mesh/translate/index.ts";
import { defaultDataDir } from "../client.ts";
import type { CliContext } from "../context.ts";
import { createKindIndex } from "../kind-index.ts";
import { stopSignal } from "../signals.ts";
import type { PlaneFlags } from "./control-plane.ts";

export interface DevFlags extends PlaneFlags {
  readonly dataDir?: string;
  readonly apiPort?: number;
  readonly filename?: string;
}

/** `weft dev`: runs until a signal. */
export async function dev(this: CliContext, flags: DevFlags): Promise<void> {
  const log = setUpLogging(flags).child("dev");
  const stop = stopSignal();
  const running = await startDev({
    dataDir: resolve(this.cwd, flags.dataDir ?? defaultDataDir),
    apiPort: flags.apiPort,
    ports: {
      xds: flags.xdsPort ?? 15_012,
      plainXds: flags.plainXdsPort ?? 15_010,
      debug: flags.debugPort ?? 15_014,
    },
    ...(flags.certificateTtl === undefined ? {} : { certificateTtlMs: flags.certificateTtl }),
    ...(flags.defaultMtls === undefined ? {} : { defaultMtls: flags.defaultMtls }),
    storeWorker: this.workers.store,
    version: this.version,
    clock: this.clock,
    rng: this.rng,
    log,
  });
  try {
    greet(this, running, flags);
    if (flags.filename !== undefined) await applyAndTell(this, running, flags.filename);
    await stop.first;
    this.process.stderr.write("stopping\n");
  } finally {
    await running.stop();
    stop.end();
  }
}

function greet(context: CliContext, { url, kubeconfigPath, plane }: Dev, flags: DevFlags): void {
  const { bold, dim } = context.style;
  const standard =
    flags.dataDir === undefined || resolve(context.cwd, flags.dataDir) === join(context.cwd, defaultDataDir);
  const lines = [
    `${bold("Weft runs.")}`,
    `  API server     ${url}`,
    `  kubeconfig     ${kubeconfigPath}`,
    `  xDS and CA     ${plane.xdsAddress} (TLS), ${plane.plainXdsAddress ?? "-"} (plain, loopback)`,
    `  debug          http://${plane.debugAddress}/metrics`,
    "",
    dim("Next, in another terminal:"),
    ...(standard ? [] : [dim(`  export WEFT_KUBECONFIG=${kubeconfigPath}`)]),
    dim("  weft run --service hello --port 8080 -- COMMAND"),
    dim("  weft apply -f manifests/"),
  ];
  context.process.stdout.write(`${lines.join("\n")}\n`);
}

async function applyAndTell(context: CliContext, { client, translate }: Dev, path: string): Promise<void> {
  const tell = (finding: Finding): void =>
    void context.process.stderr.write(formatFinding(finding, context.talk));
  const { objects, findings } = await loadManifests([path], context);
  findings.forEach(tell);
  const kinds = createKindIndex(client);
  await kinds.load(objects.map((o) => o.object));
  const { namespace } = client.config;
  const results = await applyManifests(objects, {
    client,
    namespace,
    resolveKind: kinds.byKind,
    kinds: kinds.names(),
  });
  for (const result of results) for (const f of result.findings) if (f.severity === "error") tell(f);
  await describeAll(context, objects, results, translate);
}

/** What of each object acts, what acts otherwise than written, what is ignored. */
async function describeAll(
  context: CliContext,
  items: readonly ManifestObject[],
  results: readonly Applied[],
  translate: Dev["translate"],
): Promise<void> {
  const { describe } = await import("../../mesh/analysis/index.ts");
  const { buildSnapshot } = await import("../../mesh/translate/index.ts");
  const { bold, yellow, dim, red } = context.style;
  const stored = results.flatMap((r) => (r.object === undefined ? [] : [r.object]));
  const byName = new Map(items.map((i) => [`${i.object.kind}/${i.object.metadata.name}`, i]));
  const files = new Map(
    stored.map((o) => [
      `${o.kind}/${o.metadata.namespace ?? "default"}/${o.metadata.name}`,
      byName.get(`${o.kind}/${o.metadata.name}`)?.file ?? "",
    ]),
  );
  const lines: string[] = [""];
  for (const d of describe(
    buildSnapshot(stored as unknown as readonly TranslatedObject[]),
    files,
    translate,
  )) {
    const item = byName.get(`${d.ref.kind}/${d.ref.name}`);
    const at = (field: string): string => (item ? `${item.file}:${item.place(field).line}: ` : "");
    lines.push(bold(`${d.ref.kind}/${d.ref.namespace}/${d.ref.name}`));
    for (const sentence of d.acts) lines.push(`  acts     ${sentence}`);
    for (const what of d.waits) lines.push(`  waits    for ${what}`);
    if (d.acts.length + d.errors.length + d.waits.length === 0)
      lines.push("  waits    for workloads that it concerns");
    for (const m of d.differs) lines.push(`  ${yellow("differs")}  ${dim(at(m.field))}${m.message}`);
    for (const m of d.ignored) lines.push(`  ${yellow("ignored")}  ${dim(at(m.field))}${m.message}`);
    for (const m of d.errors) lines.push(`  ${red("error")}    ${dim(at(m.field))}${m.message}`);
    for (const m of d.notes) lines.push(`  note     ${dim(at(m.field))}${m.message}`);
  }
  context.process.stdout.write(`${lines.join("\n")}\n`);
}
