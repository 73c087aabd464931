/**
 * The short form of `make kube-clients`: some of kubectl's rows against the embedded API server alone, compared with what
 * a real kube-apiserver answered when short.golden.json was recorded.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { differences, judge, type Known } from "./compare.ts";
import known from "./differences.json";
import { kubectlRows } from "./kubectl/index.ts";
import { startEmbedded } from "./servers.ts";
import golden from "./short.golden.json";
import { doTable } from "./table.ts";

const kubectl = Bun.which("kubectl") ?? undefined;
const rows = kubectlRows.filter((r) => r.short);

test.skipIf(!kubectl)(
  "kubectl sees of the embedded server what it saw of a real one",
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "weft-kube-short-"));
    const server = await startEmbedded(join(dir, "embedded"));
    try {
      const clients = { kubectl, "client-node": undefined, python: undefined, "client-go": undefined };
      const ours = await doTable({ server, clients, dir, only: /./, kubectlRows: rows });
      const real = golden as Record<string, unknown>;
      expect([...ours.keys()].sort()).toEqual(Object.keys(real).sort());
      const found = [...ours].flatMap(([row, result]) => differences(row, result, real[row]));
      // Stale explanations are found, and taken out, by the whole table.
      expect(judge(found, known as Known[], new Set(ours.keys())).unknown).toEqual([]);
    } finally {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  },
  120_000,
);
