/** The short form, with certificates that live 10 s; `make soak-svid` is the long one. */
import { expect, test } from "bun:test";
import { runSvids } from "./svids.ts";

test("certificates renew under load: proxies and gRPC port show new ones, no request and no call fails", async () => {
  const result = await runSvids({ seconds: 12, ttlSeconds: 10, perSecond: 50 });
  expect(result.faults).toEqual([]);
  expect(result.failures).toEqual([]);
  expect(result.statuses).toEqual({ "200": result.sent });
  expect(result.sent).toBeGreaterThan(300);
  expect(result.handshakes).toBeGreaterThan(30);
  for (const name of ["gRPC port", "versions-v1", "versions-v2", "caller-v1"]) {
    expect([name, result.shown[name]!.different > 1]).toEqual([name, true]);
    expect([name, result.shown[name]!.leastSecondsLeft > 0]).toEqual([name, true]);
  }
}, 90_000);
