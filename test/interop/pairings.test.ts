/**
 * The same requests through Weft and Envoy on either side: same statuses, versions, tries and response flags.
 * `make interop` runs the whole table in four pairings, `make test` a few rows in three. What is known to differ is in
 * known.json, with its reason; an entry that no longer differs fails.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { ensureEnvoy, envoyVersion } from "../../src/testkit/peers.ts";
import known from "./pairings/known.json";
import { type Row, rows } from "./pairings/rows.ts";
import { type Kind, type Result, runPairing, type Seen } from "./pairings/run.ts";

interface Known {
  readonly row: string;
  readonly pairing: string;
  readonly field: keyof Seen;
  readonly got: unknown;
  readonly reason: string;
}

const full = process.env["WEFT_INTEROP"] === "full";
const envoy = ensureEnvoy();
const list = full ? rows : rows.filter((r) => r.short);
const kinds: readonly Kind[] = ["weft", "envoy"];
const pairings = kinds
  .flatMap((caller) => kinds.map((callee) => ({ name: `${caller} to ${callee}`, caller, callee })))
  .filter((p) => full || p.caller === "weft" || p.callee === "weft");
const base = "weft to weft";
const tolerance = 0.12;

const results = new Map<string, Result>();
const met = new Set<Known>();

const differs = (pairing: string, row: Row, field: keyof Seen): Known | undefined =>
  (known as readonly Known[]).find((k) => k.row === row.name && k.pairing === pairing && k.field === field);

function check(pairing: string, row: Row, seen: Seen, wanted: Seen): void {
  for (const field of ["status", "tries", "callerFlags", "calleeFlags"] as const) {
    if (field === "tries" && row.racing === true) continue;
    const entry = differs(pairing, row, field);
    const want = entry === undefined ? wanted[field] : (entry.got as Seen[typeof field]);
    expect({ field, is: seen[field] as unknown }).toEqual({ field, is: want });
    if (entry !== undefined) {
      expect(wanted[field] as unknown).not.toEqual(entry.got);
      met.add(entry);
    }
  }
  if (row.shares === undefined) expect(seen.versions).toEqual(wanted.versions);
}

describe.skipIf(envoy === undefined)(`Weft and Envoy ${envoyVersion}`, () => {
  for (const { name, caller, callee } of pairings) {
    test(`${name}: ${list.length} rows`, async () => {
      results.set(name, await runPairing(envoy!, { caller, callee }, list));
    }, 180_000);

    test(`${name}: Envoy takes what was rendered`, () => {
      expect(results.get(name)?.complaints).toEqual([]);
    }, 60_000);

    for (const row of list)
      test(`${name}: ${row.name}`, () => {
        const seen = results.get(name)?.seen.get(row.name);
        const wanted = results.get(base)?.seen.get(row.name);
        if (seen === undefined || wanted === undefined) throw new Error("the pairing did not run");
        const status = typeof row.status === "number" ? [row.status] : row.status;
        expect(seen.status).toEqual([...status]);
        if (row.tries !== undefined) expect(seen.tries).toBe(row.tries);
        if (row.version !== undefined) expect(Object.keys(seen.versions)).toEqual([row.version]);
        for (const [version, share] of Object.entries(row.shares ?? {}))
          expect(Math.abs((seen.versions[version] ?? 0) / (row.count ?? 1) - share)).toBeLessThan(tolerance);
        check(name, row, seen, wanted);
      });
  }

  afterAll(() => {
    const names = new Set(list.map((r) => r.name));
    const unmet = (known as readonly Known[]).filter((k) => full && names.has(k.row) && !met.has(k));
    if (unmet.length > 0) throw new Error(`no longer different, take it out: ${JSON.stringify(unmet)}`);
  });
});
