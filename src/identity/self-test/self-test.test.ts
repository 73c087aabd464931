import { expect, test } from "bun:test";
import { systemClock } from "../../base/index.ts";
import { selfTest } from "./index.ts";

test("this runtime refuses foreign certificates", async () => {
  expect(await selfTest(systemClock)).toBeUndefined();
});
