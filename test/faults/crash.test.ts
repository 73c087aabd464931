/** HARDENING F12, the short form; `make crash` is the long one. */
import { expect, test } from "bun:test";
import { runCrashes } from "./crash.ts";

test("10 random SIGKILLs of the API server amid writes: nothing acknowledged is lost, versions never go back", async () => {
  const result = await runCrashes({ kills: 10, seed: 7, writers: 8 });
  expect(result.faults).toEqual([]);
  expect(result.acknowledged).toBeGreaterThan(100);
  expect(result.unknown).toBeGreaterThan(10);
  expect(result.watched).toBeGreaterThan(50);
}, 90_000);
