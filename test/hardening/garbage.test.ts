/** The short form; `make garbage` is the long one, which looks at memory as well. */
import { expect, test } from "bun:test";
import { runGarbage } from "./garbage.ts";

test("60 garbage connections to each port: no push is missed, nothing is a fault of ours, calls go on", async () => {
  const result = await runGarbage({ connections: 60, warmUp: 0, seed: 7 });
  expect(result.faults).toEqual([]);
  expect(result.missed).toEqual([]);
  expect(result.pushes).toBeGreaterThan(10);
  expect(Object.keys(result.ports)).toEqual([
    ...[
      "xds",
      "plain xds",
      "ca",
      "api",
      "debug",
      "mesh",
      "outbound",
      "plaintext",
      "admin",
      "metrics",
      "ready",
    ],
  ]);
  for (const [name, { stood, answered }] of Object.entries(result.ports)) {
    expect([name, stood]).toEqual([name, 60]);
    // STRICT closes before it hears anything; everybody else has something to say.
    expect([name, answered > 0]).toEqual([name, name !== "plaintext"]);
  }
}, 60_000);
