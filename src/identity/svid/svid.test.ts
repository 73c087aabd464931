import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng } from "../../base/index.ts";
import { type FakeClock, fakeClock } from "../../testkit/index.ts";
import { type Ca, createCa, memoryCaStore } from "../ca/index.ts";
import { createCsr } from "../x509/index.ts";
import {
  checkEveryMs,
  createSvidManager,
  loadSvid,
  requestTimeoutMs,
  retryMaxMs,
  type SvidManager,
  type SvidManagerOptions,
} from "./index.ts";

const id = "spiffe://cluster.local/ns/default/sa/reviews";
const hour = 3_600_000;
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), "weft-svid-"));
  folders.push(made);
  return made;
};

interface Bench {
  readonly clock: FakeClock;
  readonly ca: Ca;
  readonly manager: SvidManager;
  /** Certificates delivered: [certPem, keyPem, caPem, notAfter]. */
  readonly secrets: [string, string, string, number][];
  readonly lines: string[];
  asked: number;
  /** Lets the pending attempt end, and those it starts. */
  settle(): Promise<void>;
  answer: "sign" | "fail" | "hang";
}

async function bench(
  more: Partial<SvidManagerOptions> = {},
  shared: { clock?: FakeClock; ca?: Ca } = {},
): Promise<Bench> {
  const clock = shared.clock ?? fakeClock();
  const ca = shared.ca ?? (await createCa({ store: memoryCaStore(), clock, trustDomain: "cluster.local" }));
  const secrets: Bench["secrets"] = [];
  const lines: string[] = [];
  const self: Bench = {
    clock,
    ca,
    secrets,
    lines,
    asked: 0,
    answer: "sign",
    settle: async () => {
      for (let i = 0; i < 20; i++) await Promise.resolve();
    },
    manager: createSvidManager({
      id,
      clock,
      rng: seededRng(1),
      log: createLogger({ format: "json", sink: (line) => lines.push(line) }),
      onSecret: (...args) => secrets.push(args),
      request: async (csrPem, ttlSeconds) => {
        self.asked++;
        if (self.answer === "fail") throw new Error("CA away");
        if (self.answer === "hang") return new Promise(() => {});
        return ca.sign(csrPem, { id, ttlMs: ttlSeconds * 1000 }).chainPem;
      },
      ...more,
    }),
  };
  return self;
}

/** Time passes in steps below the request's time limit, so that what a step starts can end before it. */
const stepMs = requestTimeoutMs / 2;
async function pass(b: Bench, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    b.clock.advance(Math.min(left, stepMs));
    await b.settle();
  }
}

describe("renewal", () => {
  test("the first one at start, the next at half life within one percent, with another key", async () => {
    const b = await bench();
    await b.manager.start();
    expect(b.secrets.length).toBe(1);
    const { renewAt, notAfter, state } = b.manager.status();
    expect(state).toBe("valid");
    expect(notAfter).toBe(b.clock.wall() + 24 * hour);
    expect(Math.abs(renewAt! - b.clock.wall() - 12 * hour)).toBeLessThanOrEqual(0.24 * hour);
    await pass(b, 11.7 * hour);
    expect(b.secrets.length).toBe(1);
    await pass(b, 0.6 * hour);
    expect(b.secrets.length).toBe(2);
    expect(b.secrets[1]![1]).not.toBe(b.secrets[0]![1]);
    expect(b.secrets[1]![2]).toBe(b.ca.rootPem);
    b.manager.stop();
    expect(b.clock.pending).toBe(0);
  });

  test("lives shorter than the back-dating are renewed at half their life too", async () => {
    const b = await bench({ ttlMs: 60_000 });
    await b.manager.start();
    b.clock.advance(29_000);
    await b.settle();
    expect(b.asked).toBe(1);
    b.clock.advance(2_000);
    await b.settle();
    expect(b.secrets.length).toBe(2);
    b.manager.stop();
  });

  test("the CA away: the old one serves, tries are spaced, expiry is loud once, then it recovers", async () => {
    const b = await bench();
    await b.manager.start();
    b.answer = "fail";
    await pass(b, 13 * hour);
    expect(b.manager.status()).toMatchObject({ state: "valid", lastError: "CA away" });
    expect(b.secrets.length).toBe(1);
    expect(b.asked).toBeGreaterThan(20);
    const before = b.asked;
    await pass(b, hour);
    expect(b.asked - before).toBeLessThanOrEqual(Math.ceil(hour / checkEveryMs) + hour / (retryMaxMs / 4));
    expect(b.lines.filter((l) => l.includes("peers will refuse")).length).toBe(0);
    await pass(b, 11 * hour);
    expect(b.manager.status().state).toBe("expired");
    expect(b.lines.filter((l) => l.includes("peers will refuse")).length).toBe(1);
    b.answer = "sign";
    await pass(b, 2 * checkEveryMs);
    expect(b.manager.status()).toMatchObject({ state: "valid", failures: 0, lastError: undefined });
    expect(b.secrets.length).toBe(2);
    expect(b.lines.join("")).not.toContain("PRIVATE KEY");
    b.manager.stop();
  });

  test("a CA that does not answer is given up after the time limit", async () => {
    const b = await bench();
    b.answer = "hang";
    const started = b.manager.start();
    await b.settle();
    b.clock.advance(requestTimeoutMs - 1);
    await b.settle();
    expect(b.manager.status().failures).toBe(0);
    b.clock.advance(1);
    await b.settle();
    expect(b.manager.status()).toMatchObject({ state: "waiting", failures: 1 });
    b.answer = "sign";
    await pass(b, checkEveryMs);
    await started;
    b.manager.stop();
    const never = await bench();
    never.answer = "fail";
    const waiting = never.manager.start().catch((e: Error) => e.message);
    await never.settle();
    never.manager.stop();
    expect(await waiting).toContain("stopped");
    expect(never.clock.pending).toBe(0);
  });

  test("answers that must not be used", async () => {
    const clock = fakeClock();
    const make = (trustDomain = "cluster.local", at = clock): Promise<Ca> =>
      createCa({ store: memoryCaStore(), clock: at, trustDomain });
    const [ca, foreign] = [await make(), await make()];
    const late = fakeClock({ wall: clock.wall() + 10 * 60_000 });
    const ahead = await make("cluster.local", late);
    const otherId = "spiffe://cluster.local/ns/default/sa/ratings";
    const cases: [RegExp, (csr: string) => string[], string][] = [
      [/no certificate/, () => [], ""],
      [/no certificate in PEM/, () => ["x"], ""],
      [/key that was asked for/, () => ca.sign(createCsr(id).csrPem, { id }).chainPem, ""],
      [/not among the identities/, () => ca.sign(createCsr(otherId).csrPem, { id: otherId }).chainPem, ""],
      [/trusted root/, (csr) => ca.sign(csr, { id }).chainPem, foreign.rootPem],
      [/trusted root/, (csr) => ca.sign(csr, { id }).chainPem.slice(0, 1), ""],
      [/clock skew.*8 min/, (csr) => ahead.sign(csr, { id }).chainPem, ""],
      [/too many/, (csr) => ca.sign(csr, { id }).chainPem.concat(Array(20).fill(ca.rootPem)), ""],
    ];
    for (const [reason, request, bundle] of cases) {
      const b = await bench({ request: async (csr) => request(csr), trustBundle: () => bundle }, { clock });
      b.manager.start().catch(() => {});
      await b.settle();
      expect(b.manager.status().lastError).toMatch(reason);
      expect(b.secrets).toEqual([]);
      b.manager.stop();
    }
  });

  test("roots of the trust bundle are handed on, all of them", async () => {
    const clock = fakeClock();
    const [ca, next] = await Promise.all(
      [0, 1].map(() => createCa({ store: memoryCaStore(), clock, trustDomain: "cluster.local" })),
    );
    const b = await bench(
      { trustBundle: () => ca!.rootPem + next!.rootPem + ca!.rootPem },
      { clock, ca: ca! },
    );
    await b.manager.start();
    expect(b.secrets[0]![2]).toBe(ca!.rootPem + next!.rootPem);
    b.manager.stop();
  });
});

describe("the state folder", () => {
  test("0700 and 0600, one whole file; a restart uses it without asking", async () => {
    const stateDir = join(folder(), "state");
    const one = await bench({ stateDir });
    await one.manager.start();
    one.manager.stop();
    expect(readdirSync(stateDir)).toEqual(["svid.json"]);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(stateDir, "svid.json")).mode & 0o777).toBe(0o600);
    await pass(one, hour);
    const two = await bench({ stateDir }, one);
    await two.manager.start();
    expect(two.asked).toBe(0);
    expect(two.secrets).toEqual(one.secrets);
    await pass(two, 11.5 * hour);
    expect(two.asked).toBe(1);
    two.manager.stop();
  });

  test("a file that is expired, another's, broken or open to others is not used", async () => {
    const stateDir = folder();
    const one = await bench({ stateDir });
    await one.manager.start();
    one.manager.stop();
    const file = join(stateDir, "svid.json");
    const good = readFileSync(file, "utf8");
    const swap = JSON.parse(good) as Record<string, string>;
    const spoil: [string, () => void][] = [
      ["cut", () => writeFileSync(file, good.slice(0, 100))],
      ["version", () => writeFileSync(file, good.replace('"formatVersion":1', '"formatVersion":2'))],
      ["missing", () => writeFileSync(file, JSON.stringify({ ...swap, keyPem: undefined }))],
      ["key", () => writeFileSync(file, JSON.stringify({ ...swap, keyPem: createCsr(id).keyPem }))],
      ["null", () => writeFileSync(file, "null")],
      ["mode", () => chmodSync(file, 0o644)],
    ];
    for (const [, damage] of spoil) {
      writeFileSync(file, good, { mode: 0o600 });
      damage();
      const b = await bench({ stateDir }, one);
      await b.manager.start();
      expect(b.asked).toBe(1);
      expect(b.lines.some((l) => l.includes("stored certificate is not used"))).toBe(true);
      b.manager.stop();
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
    const other = await bench({ stateDir, id: "spiffe://cluster.local/ns/default/sa/x" }, one);
    other.manager.start().catch(() => {});
    await other.settle();
    expect(other.secrets).toEqual([]);
    other.manager.stop();
    one.clock.advance(25 * hour);
    const late = await bench({ stateDir }, one);
    await late.manager.start();
    expect(late.asked).toBe(1);
    late.manager.stop();
    expect(loadSvid(folder())).toBeUndefined();
  });

  test("a folder that cannot be written costs a warning only", async () => {
    const parent = folder();
    writeFileSync(join(parent, "file"), "");
    const b = await bench({ stateDir: join(parent, "file") });
    await b.manager.start();
    expect(b.secrets.length).toBe(1);
    expect(b.lines.some((l) => l.includes("could not be saved"))).toBe(true);
    b.manager.stop();
  });
});
