import { type Applied, applyManifests, loadManifests } from "../../app/manifests/index.ts";
import { exitStatus, type Finding, formatFinding, Problem } from "../../app/problem/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { createKindIndex } from "../kind-index.ts";
import { encodeData, formatOf } from "../output.ts";

export interface ApplyFlags extends ClientFlags {
  readonly filename?: readonly string[];
  readonly dryRun?: "none" | "client" | "server";
  readonly output?: string;
}

/** `weft apply -f`: exit status 65 where a manifest is broken or refused. */
export async function apply(this: CliContext, flags: ApplyFlags): Promise<void> {
  const format = formatOf(flags.output, ["name", "json", "yaml"]);
  if (!flags.filename?.length)
    throw new Problem("nothing to apply", { mend: "name a manifest: -f FILE", exit: exitStatus.usage });
  const { objects, findings } = await loadManifests(flags.filename, this);
  const tell = (finding: Finding): void => void this.process.stderr.write(formatFinding(finding, this.talk));
  findings.forEach(tell);
  let failed = findings.some((f) => f.severity === "error");
  const { client, namespace } = openSession(this, flags);
  const kinds = createKindIndex(client);
  await kinds.load(objects.map((o) => o.object));
  const results = await applyManifests(objects, {
    client,
    namespace,
    resolveKind: kinds.byKind,
    kinds: kinds.names(),
    dryRun: flags.dryRun === "server" || flags.dryRun === "client",
  });
  for (const result of results) result.findings.forEach(tell);
  failed ||= results.some((r) => r.action === "refused");
  const done = results.filter((r) => r.action !== "refused");
  const suffix = flags.dryRun && flags.dryRun !== "none" ? ` (${flags.dryRun} dry run)` : "";
  if (format === "json" || format === "yaml")
    this.process.stdout.write(await encodeData(listOf(done), format));
  else
    for (const r of done)
      this.process.stdout.write(format === "name" ? `${r.name}\n` : `${r.name} ${r.action}${suffix}\n`);
  this.exit.status = failed ? exitStatus.data : exitStatus.ok;
}

function listOf(results: readonly Applied[]): unknown {
  return { apiVersion: "v1", kind: "List", items: results.map((r) => r.object) };
}
