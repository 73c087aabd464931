import { loadManifests, type ManifestObject } from "../../app/manifests/index.ts";
import { exitStatus, type Finding, formatFinding, Problem } from "../../app/problem/index.ts";
import { kindOf, kinds, validateObject } from "../../kube/kinds/index.ts";
import { analyze } from "../../mesh/analysis/index.ts";
import { buildSnapshot } from "../../mesh/translate/index.ts";
import type { CliContext } from "../context.ts";

/** `weft validate`: schemas and analysis without a server; exit status 65 where something is wrong. */
export async function validate(
  this: CliContext,
  flags: { readonly filename?: readonly string[] },
  ...words: string[]
): Promise<void> {
  const paths = [...(flags.filename ?? []), ...words];
  if (paths.length === 0)
    throw new Problem("nothing to validate", { mend: "name a manifest", exit: exitStatus.usage });
  const { objects, findings } = await loadManifests(paths, this);
  const all: Finding[] = [...findings];
  const snapshot = buildSnapshot(objects.map((o) => o.object));
  for (const item of objects) all.push(...(await judge(item, snapshot)));
  for (const finding of all) this.process.stderr.write(formatFinding(finding, this.talk));
  const errors = all.filter((f) => f.severity === "error").length;
  const warnings = all.filter((f) => f.severity === "warning").length;
  this.process.stdout.write(`${objects.length} objects: ${errors} errors, ${warnings} warnings\n`);
  if (errors > 0) this.exit.status = exitStatus.data;
}

async function judge(
  item: ManifestObject,
  snapshot: ReturnType<typeof buildSnapshot>,
): Promise<readonly Finding[]> {
  const { object } = item;
  if (kindOf(object.apiVersion, object.kind) === undefined) {
    const others = kinds
      .filter((k) => k.kind === object.kind)
      .flatMap((k) => k.versions.map((v) => `${k.group}/${v}`));
    const what = `no kind ${object.kind} in ${object.apiVersion}`;
    const mend = others.length > 0 ? `${object.kind} is served as ${others.join(", ")}` : "";
    return [{ severity: "warning", what, where: item.place("apiVersion"), ...(mend ? { mend } : {}) }];
  }
  const schema = await validateObject(object);
  const found: Finding[] = schema.causes.map((c) => ({
    severity: "error",
    what: `${c.field}: ${c.message}`,
    where: item.place(c.field),
  }));
  if (found.length > 0) return found;
  const analysis = analyze(object, snapshot);
  // What is wrong by reference only is accepted when it is applied: what it names may come later.
  const refused = new Set(analysis.causes.map((c) => c.field));
  for (const m of analysis.messages)
    found.push({
      severity:
        m.severity === "note" ? "note" : refused.has(m.field) && m.severity === "error" ? "error" : "warning",
      what: m.field ? `${m.field}: ${m.message}` : m.message,
      where: item.place(m.field),
      ...(m.fix ? { mend: m.fix } : {}),
    });
  return found;
}
