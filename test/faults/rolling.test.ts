/** HARDENING F10, the short form; `make rolling` is the long one. */
import { expect, test } from "bun:test";
import { runRolling } from "./rolling.ts";

test("instances restarted one after the other under load: no request fails", async () => {
  const perSecond = 150;
  const result = await runRolling({ perSecond, restarts: 3 });
  expect(result.failures).toEqual([]);
  expect(result.statuses).toEqual({ "200": result.sent });
  // The load went on through all of it, however long it took.
  const restartingMs = [...result.stopMs, ...result.startMs].reduce((a, b) => a + b, 0);
  expect(result.sent).toBeGreaterThan((perSecond * restartingMs) / 1000 / 2);
  // Nothing is waited for that does not come: the mesh knows of a drain within its 5 s, applications stop at once.
  expect(Math.max(...result.stopMs)).toBeLessThan(5_000);
}, 120_000);
