import { expect, test } from "bun:test";
import { createLogger, seededRng } from "../../base/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { settle } from "../../testkit/fake-kube.ts";
import { createXdsClient, limits } from "./index.ts";

test("a nudge ends the pause after a failure, and disturbs nothing else", async () => {
  const clock = fakeClock();
  let asked = 0;
  let up = false;
  const client = createXdsClient({
    channel: {
      bidi: async () => {
        asked++;
        if (!up) throw new Error("away");
        return { onMessage() {}, onClose() {}, write() {}, cancel() {} };
      },
    },
    node: { id: "x", cluster: "x", metadata: {} },
    sink: { apply: async () => ({ errors: [] }) },
    clock,
    // Full jitter that is always long.
    rng: { ...seededRng(1), float: () => 0.99 },
    log: createLogger({ sink: () => {} }),
  });
  await client.start();
  await settle();
  for (let i = 0; i < 8; i++) {
    clock.advance(limits.sidecarReconnectMaxMs);
    await settle();
  }
  const before = asked;
  clock.advance(limits.sidecarReconnectMaxMs / 2);
  await settle();
  expect(asked).toBe(before);
  up = true;
  client.nudge();
  await settle();
  expect(asked).toBe(before + 1);
  client.nudge();
  await settle();
  expect(asked).toBe(before + 1);
  await client.stop();
  client.nudge();
  await settle();
  expect([asked, clock.pending]).toEqual([before + 1, 0]);
});
