/** HARDENING F1, the short form; `make outage` is the long one. */
import { describe, expect, test } from "bun:test";
import { runOutage } from "./outage.ts";
import type { Victim } from "./processes.ts";

async function outage(victim: Victim, awaySeconds: number): Promise<void> {
  const result = await runOutage({ perSecond: 100, rounds: 1, awaySeconds, afterSeconds: 3, victim });
  expect(result.failures).toEqual([]);
  expect(result.statuses).toEqual({ "200": result.sent });
  expect(result.sent).toBeGreaterThan(500);
  expect(result.fewestEndpoints).toBe(2);
  expect(result.looks).toBeGreaterThan(20);
  expect(result.restartMs[0]).toBeLessThan(10_000);
  expect(result.changeMs[0]).toBeLessThan(20_000);
  expect(result.entries).toBe(4);
}

describe("killed under load: no request fails, a sidecar restarted meanwhile serves, nobody is withdrawn", () => {
  // Longer than a lease lives.
  test("API server and control plane in one", () => outage("both", 11), 120_000);
  test("the control plane alone, beside an API server that stays", () => outage("control-plane", 4), 120_000);
  test("the API server alone, which comes back elsewhere", () => outage("api-server", 11), 120_000);
});
