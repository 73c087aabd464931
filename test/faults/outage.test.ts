/** HARDENING F1, the short form; `make outage` is the long one. */
import { expect, test } from "bun:test";
import { runOutage } from "./outage.ts";

test("API server and control plane killed under load: no request fails, a sidecar restarted meanwhile serves, nobody is withdrawn", async () => {
  const result = await runOutage({ perSecond: 100, rounds: 1, awaySeconds: 11, afterSeconds: 4 });
  expect(result.failures).toEqual([]);
  expect(result.statuses).toEqual({ "200": result.sent });
  expect(result.sent).toBeGreaterThan(1_000);
  expect(result.fewestEndpoints).toBe(2);
  expect(result.looks).toBeGreaterThan(30);
  expect(result.restartMs[0]).toBeLessThan(10_000);
  expect(result.changeMs).toHaveLength(1);
  expect(result.entries).toBe(4);
}, 120_000);
