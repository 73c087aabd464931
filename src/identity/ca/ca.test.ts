import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { createLogger } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import { issue, issuingCa } from "../../testkit/issue.ts";
import { serverNameVerifier, verifySpiffeLeaf } from "../verify/index.ts";
import {
  buildCsr,
  createCsr,
  decodePem,
  encodePem,
  generateKey,
  keyToPem,
  parseCertificate,
  parseCertificates,
} from "../x509/index.ts";
import {
  backDateMs,
  type Ca,
  type Caller,
  type CaMaterial,
  type CsrRefusal,
  createCa,
  csrService,
  leafTtlMs,
  maxCsrBytes,
  maxLeafTtlMs,
  memoryCaStore,
  minLeafTtlMs,
  rootTtlMs,
} from "./index.ts";

const id = "spiffe://cluster.local/ns/default/sa/reviews";
const clock = fakeClock({ wall: Date.UTC(2026, 5, 1) });
const make = (store = memoryCaStore()): Promise<Ca> =>
  createCa({ store, clock, trustDomain: "cluster.local" });
const first = (pems: readonly string[]): Buffer => decodePem(pems[0]!, "CERTIFICATE")[0]!;
const csrOf = (key: KeyObject, uris: readonly string[]): string =>
  encodePem(buildCsr(key, uris), "CERTIFICATE REQUEST");

describe("createCa", () => {
  test("a root of ten years, kept: the next start finds the same", async () => {
    const store = memoryCaStore();
    const one = await make(store);
    expect((await make(store)).rootPem).toBe(one.rootPem);
    const root = parseCertificates(one.rootPem)[0]!;
    expect(root.isCa).toBe(true);
    expect(root.publicKey).toMatchObject({ type: "ec", bits: 256 });
    expect(root.notAfter).toBe(clock.wall() + rootTtlMs);
    expect(root.notBefore).toBe(clock.wall() - backDateMs);
  });

  test("two that start at once use what was stored first", async () => {
    const inner = memoryCaStore();
    const racing = { load: async () => undefined, create: inner.create };
    const [a, b] = await Promise.all([make(racing), make(racing)]);
    expect(a!.rootPem).toBe(b!.rootPem);
    const leaf = b!.sign(createCsr(id).csrPem, { id });
    expect(new X509Certificate(first(leaf.chainPem)).verify(new X509Certificate(a!.rootPem).publicKey)).toBe(
      true,
    );
  });

  test("stored material that cannot sign is refused, never replaced", async () => {
    const good = issuingCa({ now: clock.wall() });
    const leaf = issue({ ca: good, spiffe: id, now: clock.wall() });
    const material: CaMaterial = {
      keyPem: keyToPem(good.key),
      certPem: good.pem,
      chainPem: "",
      rootPem: good.pem,
    };
    const bad: [Partial<CaMaterial>, string][] = [
      [{ keyPem: "x" }, "cannot be read"],
      [{ certPem: "x" }, "cannot be read"],
      [{ keyPem: keyToPem(generateKey()) }, "does not belong"],
      [{ certPem: leaf.cert, keyPem: leaf.key }, "no CA's"],
    ];
    for (const [change, text] of bad) {
      const error = await make(memoryCaStore({ ...material, ...change })).catch((e: unknown) => e);
      expect(String(error)).toContain(text);
      expect(String(error)).not.toContain("PRIVATE");
    }
    const old = issuingCa({ now: clock.wall(), ttlMs: -1000 });
    const expired = { ...material, keyPem: keyToPem(old.key), certPem: old.pem, rootPem: old.pem };
    expect(String(await make(memoryCaStore(expired)).catch((e: unknown) => e))).toContain("expired");
  });

  test("an intermediate of somebody's PKI signs, with its chain; leaves do not outlive it", async () => {
    const root = issuingCa({ now: clock.wall() });
    const middle = issue({
      ca: root,
      isCa: true,
      keyUsage: 0x60,
      eku: [],
      now: clock.wall(),
      ttl: 3_600_000,
    });
    const ca = await make(
      memoryCaStore({ keyPem: middle.key, certPem: middle.cert, chainPem: "", rootPem: root.pem }),
    );
    const signed = ca.sign(createCsr(id).csrPem, { id });
    expect(signed.chainPem.length).toBe(3);
    expect(signed.chainPem[2]).toBe(root.pem);
    expect(signed.notAfter).toBeLessThanOrEqual(parseCertificate(middle.der).notAfter);
    expect(ca.serverCertificate(["x"], []).certPem.match(/BEGIN/g)!.length).toBe(2);
  });
});

describe("sign", () => {
  test("a leaf for the caller: 24 h, back-dated 2 min, good as client and server, random serial", async () => {
    const ca = await make();
    const { csrPem } = createCsr(id);
    const signed = ca.sign(csrPem, { id });
    const leaf = parseCertificate(first(signed.chainPem));
    expect(signed.notAfter).toBe(clock.wall() + leafTtlMs);
    expect(leaf.notAfter).toBe(signed.notAfter);
    expect(leaf.notBefore).toBe(clock.wall() - backDateMs);
    expect(signed.chainPem.at(-1)).toBe(ca.rootPem);
    for (const usage of ["client", "server"] as const)
      expect(
        verifySpiffeLeaf(leaf.der, { trustDomains: ["cluster.local"], usage, now: clock.wall() }),
      ).toEqual({ ok: true, principal: id });
    const other = parseCertificate(first(ca.sign(csrPem, { id }).chainPem));
    expect(other.serial).not.toBe(leaf.serial);
    expect(leaf.serial.length).toBe(32);
  });

  test("life: the least and one less, the most and more", async () => {
    const ca = await make();
    const { csrPem } = createCsr(id);
    expect(ca.sign(csrPem, { id, ttlMs: minLeafTtlMs }).notAfter).toBe(clock.wall() + minLeafTtlMs);
    for (const ttlMs of [minLeafTtlMs - 1, -1, Number.NaN])
      expect(() => ca.sign(csrPem, { id, ttlMs })).toThrow(RangeError);
    expect(ca.sign(csrPem, { id, ttlMs: maxLeafTtlMs + 1000 }).notAfter).toBe(clock.wall() + maxLeafTtlMs);
  });

  test("what a request must not be", async () => {
    const ca = await make();
    const refused = (csrPem: string, text: RegExp, who = id): void =>
      expect(() => ca.sign(csrPem, { id: who })).toThrow(text);
    const key = generateKey();
    refused(csrOf(key, ["spiffe://cluster.local/ns/kube-system/sa/admin"]), /something else than the caller/);
    refused(csrOf(key, [id, "spiffe://cluster.local/ns/a/sa/b"]), /something else/);
    refused(csrOf(key, [`${id}\0x`]), /something else/);
    refused(csrOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey, [id]), /1024 bits/);
    refused("", /exactly one/);
    refused("x".repeat(maxCsrBytes + 1), /longer than/);
    refused("x".repeat(maxCsrBytes), /exactly one/);
    refused(csrOf(key, [id]), /trust domain/, "spiffe://other/ns/default/sa/reviews");
    refused(csrOf(key, [id]), /no SPIFFE id|scheme/, "reviews");
    expect(ca.sign(csrOf(key, []), { id }).chainPem.length).toBe(2);
    expect(
      ca.sign(csrOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey, [id]), { id }),
    ).toBeTruthy();
  });
});

test("the control plane's own certificate is for its names", async () => {
  const ca = await make();
  const made = ca.serverCertificate(["localhost", "weft.weft-system.svc"], ["127.0.0.1", "::1"]);
  const leaf = decodePem(made.certPem, "CERTIFICATE")[0]!;
  for (const name of ["localhost", "127.0.0.1", "0:0::1", "WEFT.weft-system.svc"])
    expect(serverNameVerifier({ names: [name], clock })(leaf, []).ok).toBe(true);
  for (const name of ["other", "127.0.0.2", "svc"])
    expect(serverNameVerifier({ names: [name], clock })(leaf, []).ok).toBe(false);
  const star = issue({ ca: issuingCa(), dns: ["*.b.c", "*.d"], now: clock.wall() }).der;
  const met = (name: string): boolean => serverNameVerifier({ names: [name], clock })(star, []).ok;
  expect([met("a.b.c"), met("x.a.b.c"), met("b.c"), met("a.d"), met(".b.c")]).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});

describe("csrService", () => {
  const lines: string[] = [];
  const log = createLogger({ format: "json", sink: (line) => lines.push(line) });
  const call = async (caller: () => Promise<Caller>, csr: string, validityDuration: number | bigint = 0) => {
    const ca = await make();
    const service = csrService<undefined>({ ca, authenticate: caller, log });
    return service({ csr, validityDuration }, () => "Bearer x", undefined).catch((e: CsrRefusal) => e);
  };
  const reviews = async (): Promise<Caller> => ({
    ok: true,
    namespace: "default",
    serviceAccount: "reviews",
  });

  test("the credential's identity is signed, for the seconds wished", async () => {
    const answer = await call(reviews, createCsr(id).csrPem, 3600n);
    const leaf = parseCertificate(first((answer as { certChain: string[] }).certChain));
    expect(leaf.names.uris).toEqual([id]);
    expect(leaf.notAfter).toBe(clock.wall() + 3_600_000);
  });

  test("each kind of refusal has its status, and nothing secret is logged", async () => {
    const { csrPem, keyPem } = createCsr("spiffe://cluster.local/ns/default/sa/ratings");
    const cases: [() => Promise<Caller>, string, number][] = [
      [async () => ({ ok: false, reason: "token expired" }), csrPem, 16],
      [async () => Promise.reject(new Error("API away")), csrPem, 14],
      [reviews, csrPem, 3],
      [reviews, keyPem, 3],
      [async () => ({ ok: true, namespace: "a/../b", serviceAccount: "c" }), csrPem, 3],
    ];
    for (const [caller, csr, status] of cases) {
      const error = await call(caller, csr);
      expect((error as CsrRefusal).grpcStatus).toBe(status as 3);
    }
    expect(lines.join("\n")).not.toContain("PRIVATE KEY");
    const broken = csrService<undefined>({
      ca: {
        trustDomain: "cluster.local",
        sign: () => {
          throw new Error("internal detail");
        },
      },
      authenticate: reviews,
      log,
    });
    const error = (await broken({ csr: "", validityDuration: 0 }, () => undefined, undefined).catch(
      (e) => e,
    )) as CsrRefusal;
    expect([error.grpcStatus, error.message]).toEqual([13, "signing failed"]);
  });
});
