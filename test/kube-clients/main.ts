/**
 * `make kube-clients`: kubectl, @kubernetes/client-node, PyPI kubernetes and client-go do one table of rows against the
 * embedded API server and a real kube-apiserver; the results must be the same but for what differences.json explains.
 * ROWS: only rows that match. PRUNE: takes stale entries out of differences.json. RECORD: writes what the real server
 * answered to short.golden.json, which the short form in `make test` compares with.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/index.ts";
import { type Difference, differences, judge, type Known, prune } from "./compare.ts";
import { kubectlRows } from "./kubectl/index.ts";
import { startEmbedded, startReal } from "./servers.ts";
import { ensureEtcd, setUpClients } from "./setup.ts";
import { doTable } from "./table.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: { rows: text, out: text, prune: { type: "boolean" }, record: { type: "boolean" } },
});
const file = join(import.meta.dir, "differences.json");
const root = join(import.meta.dir, "../..");
const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function installDefinitions(kubeconfig: string): Promise<void> {
  const child = Bun.spawn(
    [process.execPath, join(root, "src/main.ts"), "install", "--crds", "--kubeconfig", kubeconfig],
    { stdin: "ignore", stdout: "ignore", stderr: "inherit" },
  );
  if ((await child.exited) !== 0) throw new Error("weft install --crds failed");
}

const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 2_000) ?? "nothing";

async function main(): Promise<number> {
  const began = systemClock.now();
  const clients = await setUpClients();
  const bin = await ensureEtcd();
  if (bin) process.env["PATH"] = `${bin}:${process.env["PATH"]}`;
  const dir = mkdtempSync(join(tmpdir(), "weft-kube-clients-"));
  const real = await startReal(join(dir, "real"));
  const embedded = await startEmbedded(join(dir, "embedded"));
  try {
    const only = new RegExp(values.rows ?? "");
    if (real === undefined) {
      say("SKIPPED: there is no real kube-apiserver to compare with");
      return 0;
    }
    await installDefinitions(real.kubeconfig);
    const [ours, theirs] = await Promise.all([
      doTable({ server: embedded, clients, dir, only }),
      doTable({ server: real, clients, dir, only }),
    ]);
    const rows = new Set([...ours.keys(), ...theirs.keys()]);
    const found = [...rows].flatMap((row) => differences(row, ours.get(row), theirs.get(row)));
    if (values.out)
      writeFileSync(values.out, JSON.stringify({ found, real: Object.fromEntries(theirs) }, null, 1));
    const outdated = recorded(theirs);
    if (outdated.length > 0) say(`OUTDATED ${outdated.join(", ")}: short.golden.json differs (RECORD=1)`);
    return conclude(found, rows, values.rows === undefined, (systemClock.now() - began) / 1000);
  } finally {
    await embedded.stop();
    await real?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Short rows whose recorded answers are not what the real server says now; RECORD writes them anew. */
function recorded(theirs: ReadonlyMap<string, unknown>): readonly string[] {
  const golden = join(import.meta.dir, "short.golden.json");
  const ids = kubectlRows.filter((r) => r.short).map((r) => `kubectl/${r.id}`);
  const now = Object.fromEntries(ids.filter((id) => theirs.has(id)).map((id) => [id, theirs.get(id)]));
  if (values.record) writeFileSync(golden, `${JSON.stringify(now, null, 1)}\n`);
  const before = JSON.parse(readFileSync(golden, "utf8")) as Record<string, unknown>;
  return Object.keys(now).filter((id) => !Bun.deepEquals(before[id], now[id]));
}

function conclude(
  found: readonly Difference[],
  rows: ReadonlySet<string>,
  whole: boolean,
  seconds: number,
): number {
  const known = JSON.parse(readFileSync(file, "utf8")) as Known[];
  const { unknown, stale } = judge(found, known, rows);
  for (const d of unknown)
    say(`DIFFERENT ${d.row} ${d.at}\n  embedded: ${show(d.embedded)}\n  real:     ${show(d.real)}`);
  for (const line of stale) say(`STALE ${line}: no longer different; take it out (PRUNE=1)`);
  if (values.prune && whole) {
    writeFileSync(file, `${JSON.stringify(prune(found, known, rows), null, 2)}\n`);
    Bun.spawnSync([join(root, "node_modules/.bin/biome"), "format", "--write", file]);
  }
  const counts = ["kubectl", "client-node", "python", "client-go", "weft"].map(
    (client) => `${client} ${[...rows].filter((r) => r.startsWith(`${client}/`)).length}`,
  );
  const different = new Set(found.map((d) => d.row));
  say(
    `kube-clients: ${rows.size} rows (${counts.join(", ")}): ${rows.size - different.size} the same, ` +
      `${different.size} with differences, ${unknown.length} unexplained, ${stale.length} stale; ${seconds.toFixed(0)} s`,
  );
  return unknown.length + (values.prune ? 0 : stale.length) > 0 ? 1 : 0;
}

process.exit(await main());
