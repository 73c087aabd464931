import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng, systemClock } from "../../../base/index.ts";
import { RESTORE_GAP } from "../../store/limits.ts";
import { backupPath, checkBackup, restoreData, startApiServer } from "../index.ts";
import { CM, configMap, type Harness, startHarness } from "./harness.ts";

const entry = new URL("../../../store-worker.ts", import.meta.url);

async function taken(api: Harness, name = "backup.db"): Promise<string> {
  const { url, adminToken, caPem } = api.server;
  const headers = { authorization: `Bearer ${adminToken}` };
  const answer = await fetch(url + backupPath, { headers, tls: { ca: caPem } });
  expect(answer.status).toBe(200);
  const file = join(api.dir, name);
  writeFileSync(file, await answer.bytes(), { mode: 0o600 });
  return file;
}

describe("a backup", () => {
  test("makes a server again: its objects, keys and tokens; versions go on, the past is gone", async () => {
    await using api = await startHarness();
    for (const name of ["a", "b"]) await api.call("POST", CM, configMap(name, { x: "1" }));
    await api.call("PUT", `${CM}/b`, configMap("b", { x: "2" }));
    const file = await taken(api);
    expect(checkBackup(file)).toBeGreaterThan(2);
    const later = await api.call("POST", CM, configMap("later", {}));
    const seen = Number(later.body.metadata.resourceVersion);
    const { caPem, adminToken } = api.server;
    const dir = mkdtempSync(join(tmpdir(), "weft-restored-"));
    try {
      const { revision, before } = restoreData(file, dir, "Weft test");
      expect([revision > seen + RESTORE_GAP / 2, before]).toEqual([true, undefined]);
      const server = await startApiServer({
        ...{ dataDir: dir, port: 0, clock: systemClock, rng: seededRng(1) },
        log: createLogger({ sink: () => undefined }),
        storeWorker: () => new Worker(entry),
      });
      try {
        expect([server.caPem, server.adminToken]).toEqual([caPem, adminToken]);
        const call = async (path: string, method = "GET", body?: unknown) => {
          const answer = await fetch(server.url + path, {
            method,
            headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
            ...(body !== undefined && { body: JSON.stringify(body) }),
            tls: { ca: server.caPem },
          });
          // biome-ignore lint/suspicious/noExplicitAny: tests read fields of unknown answers
          return { status: answer.status, text: await answer.text() } as any;
        };
        const list = JSON.parse((await call(CM)).text);
        const mine = list.items.filter((i: { data?: unknown }) => i.data !== undefined);
        expect(mine.map((i: { metadata: { name: string } }) => i.metadata.name)).toEqual(["a", "b"]);
        expect(mine[1].data).toEqual({ x: "2" });
        expect(Number(list.metadata.resourceVersion)).toBeGreaterThan(seen);
        const made = JSON.parse((await call(CM, "POST", configMap("new", {}))).text);
        expect(Number(made.metadata.resourceVersion)).toBeGreaterThan(revision);
        // Whoever watched the server before is told to list anew.
        const watched = (await call(`${CM}?watch=1&timeoutSeconds=1&resourceVersion=${seen}`)).text;
        expect(watched).toContain('"code":410');
      } finally {
        await server.stop();
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test("is for administrators alone, and leaves nothing in the folder", async () => {
    await using api = await startHarness();
    const file = await taken(api);
    expect(statSync(file).size).toBeGreaterThan(1_000);
    expect(readdirSync(join(api.dir, "data")).filter((f) => f.startsWith("backup-"))).toEqual([]);
    expect((await api.call("GET", backupPath, undefined, { token: null })).status).toBe(401);
    expect((await api.call("POST", backupPath, {})).status).toBe(405);
    const sa = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "bob" } };
    await api.call("POST", "/api/v1/namespaces/default/serviceaccounts", sa);
    const path = "/api/v1/namespaces/default/serviceaccounts/bob/token";
    const { body } = await api.call("POST", path, { spec: { audiences: [], expirationSeconds: 600 } });
    const refused = await api.call("GET", backupPath, undefined, { token: body.status.token });
    expect([refused.status, refused.body.reason]).toEqual([403, "Forbidden"]);
  });

  test("does not go over a store that is in use; one that is not lies beside it afterwards", async () => {
    let data = "";
    let file = "";
    const keep = mkdtempSync(join(tmpdir(), "weft-kept-"));
    try {
      {
        await using api = await startHarness();
        await api.call("POST", CM, configMap("a", { x: "1" }));
        file = join(keep, "backup.db");
        writeFileSync(file, readFileSync(await taken(api)));
        data = join(api.dir, "data");
        expect(() => restoreData(file, data, "Weft test")).toThrow("is in use by process");
        expect((await api.call("GET", `${CM}/a`)).status).toBe(200);
      }
      const target = join(keep, "data");
      const first = restoreData(file, target, "Weft test");
      const second = restoreData(file, target, "Weft test");
      expect(second.revision).toBeGreaterThan(first.revision);
      expect(existsSync(second.before!)).toBe(true);
      expect(readdirSync(join(target, "store")).filter((f) => f.endsWith(".restoring"))).toEqual([]);
    } finally {
      rmSync(keep, { recursive: true });
    }
  });

  test("that is damaged, cut, of a newer program or something else changes nothing", async () => {
    await using api = await startHarness();
    const good = readFileSync(await taken(api));
    const dir = join(api.dir, "target");
    const refused = (bytes: Uint8Array): string => {
      const file = join(api.dir, "bad.db");
      writeFileSync(file, bytes);
      try {
        restoreData(file, dir, "Weft test");
        return "nothing";
      } catch (e) {
        return (e as Error).message;
      }
    };
    const newer = Uint8Array.from(good);
    // PRAGMA user_version: 4 bytes at 60 of the header.
    newer.set([0, 0, 3, 231], 60);
    const damaged = Uint8Array.from(good);
    damaged.fill(0xff, Math.floor(good.length / 2), Math.floor(good.length / 2) + 4_096);
    expect(refused(newer)).toContain("schema is version 999");
    for (const bytes of [damaged, good.subarray(0, good.length / 2), new TextEncoder().encode("hello")])
      expect(refused(bytes)).toContain("is no backup that can be restored");
    expect(() => checkBackup(join(api.dir, "nowhere"))).toThrow("does not exist");
    expect(existsSync(join(dir, "store"))).toBe(false);
    expect(refused(good)).toBe("nothing");
  });
});
