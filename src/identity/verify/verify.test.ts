/** The leaf's rules alone, without the TLS library in front that refuses some of it first. */
import { expect, test } from "bun:test";
import { issue, issuingCa } from "../../testkit/issue.ts";
import { parseCertificate } from "../x509/index.ts";
import { type SanMatcher, verifySpiffeLeaf, weakKey } from "./index.ts";

const ca = issuingCa();
const spiffe = "spiffe://cluster.local/ns/default/sa/a";
const rules = { trustDomains: ["cluster.local"], usage: "client" } as const;

test("times: the first and last moment are in, one millisecond outside is not", () => {
  const { der } = issue({ ca, spiffe });
  const { notBefore, notAfter } = parseCertificate(der);
  const at = (now: number): boolean => verifySpiffeLeaf(der, { ...rules, now }).ok;
  expect([at(notBefore - 1), at(notBefore), at(notAfter), at(notAfter + 1)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

test("matchers: each kind, and an empty list or empty text lets nobody in", () => {
  const { der } = issue({ ca, spiffe });
  const now = parseCertificate(der).notAfter;
  const met = (...allowed: SanMatcher[]): boolean => verifySpiffeLeaf(der, { ...rules, allowed, now }).ok;
  expect(met({ exact: spiffe })).toBe(true);
  expect(met({ exact: `${spiffe}x` })).toBe(false);
  expect(met({ prefix: "spiffe://cluster.local/" })).toBe(true);
  expect(met({ prefix: "spiffe://cluster.local/ns/other/" })).toBe(false);
  expect(met({ suffix: "/sa/a" })).toBe(true);
  expect(met({ suffix: "/sa/b" })).toBe(false);
  expect(met({ contains: "/ns/default/" })).toBe(true);
  expect(met({ contains: "/ns/x/" })).toBe(false);
  expect(met({ test: (san) => san === spiffe })).toBe(true);
  expect(met({ test: () => false })).toBe(false);
  expect(met({ exact: "x" }, { prefix: "spiffe://cluster.local/ns/default/" })).toBe(true);
  expect([met(), met({ prefix: "" }), met({ suffix: "" }), met({ contains: "" })]).toEqual(
    Array(4).fill(false),
  );
});

test("bytes that are no certificate, and keys that are too weak", () => {
  expect(verifySpiffeLeaf(new Uint8Array([1, 2, 3]), { ...rules, now: 0 })).toMatchObject({ ok: false });
  expect(weakKey({ type: "rsa", bits: 2047 })).toContain("2047");
  expect(weakKey({ type: "rsa", bits: 2048 })).toBeUndefined();
  expect(weakKey({ type: "ec", bits: 0 })).toBeDefined();
  expect(weakKey({ type: "ed25519", bits: 256 })).toBeUndefined();
  expect(weakKey({ type: "other", bits: 4096 })).toBeDefined();
});
