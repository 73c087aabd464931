/** One bootstrap file for both proxies: what Weft takes, Envoy takes, and what Envoy refuses, Weft refuses. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBootstrap } from "../../src/proxy/bootstrap/index.ts";
import { createTestCa } from "../../src/testkit/index.ts";
import { ensureEnvoy, envoyVersion } from "../../src/testkit/peers.ts";

const envoy = ensureEnvoy();
const dir = mkdtempSync(join(tmpdir(), "weft-bootstrap-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ca = await createTestCa();
const own = await ca.leaf({ uris: ["spiffe://cluster.local/ns/default/sa/test"] });
writeFileSync(join(dir, "ca.pem"), ca.caPem);
writeFileSync(join(dir, "cert.pem"), own.certPem);
writeFileSync(join(dir, "key.pem"), own.keyPem);
// What a discovery file holds; Envoy wants it to be there.
writeFileSync(join(dir, "ca-secret.yaml"), "resources: []\n");

/** Files name their certificates under DIR. */
const texts = (kind: "good" | "bad"): { name: string; text: string }[] => {
  const folder = join(import.meta.dir, "bootstrap", kind);
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, text: readFileSync(join(folder, name), "utf8").replaceAll("DIR", dir) }));
};

function validate(name: string, text: string): { exitCode: number; said: string } {
  const file = join(dir, name);
  writeFileSync(file, text);
  const run = Bun.spawnSync([envoy!, "--mode", "validate", "-c", file, "-l", "error"], {
    stdout: "pipe",
    stderr: "pipe",
  });
  return { exitCode: run.exitCode, said: `${run.stdout}${run.stderr}` };
}

describe("Weft", () => {
  for (const { name, text } of texts("good"))
    test(`takes ${name}`, async () => {
      const result = await loadBootstrap(text, name);
      expect(result.ok ? [] : result.errors).toEqual([]);
    });
  for (const { name, text } of texts("bad"))
    test(`refuses ${name} where it says`, async () => {
      const wanted = /^# weft: (.*)$/m.exec(text)?.[1] ?? "a line `# weft: path`";
      const result = await loadBootstrap(text, name);
      expect(result.ok ? [] : result.errors.map((e) => e.path)).toContain(wanted);
    });
});

describe.skipIf(envoy === undefined)(`Envoy ${envoyVersion}`, () => {
  for (const { name, text } of texts("good"))
    test(`takes ${name}`, () => {
      const { exitCode, said } = validate(name, text);
      expect({ exitCode, said: exitCode === 0 ? "" : said }).toEqual({ exitCode: 0, said: "" });
    }, 30_000);
  for (const { name, text } of texts("bad"))
    test(`refuses ${name}`, () => {
      expect(validate(name, text).exitCode).toBe(1);
    }, 30_000);
});
