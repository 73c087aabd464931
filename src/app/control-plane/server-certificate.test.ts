import { describe, expect, test } from "bun:test";
import { createCa, memoryCaStore } from "../../identity/ca/index.ts";
import { parseCertificates } from "../../identity/x509/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import type { GrpcTls } from "../../wire/grpc/index.ts";
import { createServerCertificate, rotateMs } from "./server-certificate.ts";

const names = { dns: ["localhost"], ips: ["127.0.0.1"] };
const notAfter = (tls: GrpcTls): number => parseCertificates(tls.certPem)[0]!.notAfter;

describe("the control plane's certificate", () => {
  test("of a CA that signs for 60 s is made anew at half its life, 20 times in 10 minutes, never late", async () => {
    const clock = fakeClock();
    const store = memoryCaStore();
    const ca = await createCa({ store, clock, trustDomain: "cluster.local", maxLeafTtlMs: 60_000 });
    const made = createServerCertificate(ca, names, clock);
    const taken: GrpcTls[] = [];
    const stop = made.keepFresh((tls) => taken.push(tls));
    for (let second = 0; second < 600; second++) {
      clock.advance(1_000);
      expect(notAfter(made.tls) - clock.wall()).toBeGreaterThan(20_000);
    }
    expect(taken.length).toBeWithin(17, 21);
    expect(new Set(taken.map((t) => t.keyPem)).size).toBe(taken.length);
    expect(taken.at(-1)).toEqual(made.tls);
    stop();
    clock.advance(120_000);
    expect(taken.length).toBeWithin(17, 21);
  });

  test("of a long life is made anew twice a day, also after the machine slept", async () => {
    const clock = fakeClock();
    const ca = await createCa({ store: memoryCaStore(), clock, trustDomain: "cluster.local" });
    const made = createServerCertificate(ca, names, clock);
    let taken = 0;
    const stop = made.keepFresh(() => taken++);
    clock.advance(rotateMs - 1);
    expect(taken).toBe(0);
    clock.advance(60_000);
    expect(taken).toBe(1);
    clock.advance(rotateMs + 60_000);
    expect(taken).toBe(2);
    stop();
  });
});
