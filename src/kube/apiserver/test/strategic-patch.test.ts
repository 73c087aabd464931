import { expect, test } from "bun:test";
import type { Schema } from "../../kinds/index.ts";
import { applyStrategicPatch } from "../strategic-patch.ts";

const schema: Schema = {
  type: "object",
  properties: {
    ports: { type: "array", mergeKey: "port", items: { type: "object" } },
    names: { type: "array", mergeSet: true, items: { type: "string" } },
  },
};
const ports = (...numbers: number[]) => ({ ports: numbers.map((port) => ({ port })) });
const order = (...numbers: number[]) => ({ "$setElementOrder/ports": numbers.map((port) => ({ port })) });

test.each([
  ["what is new goes first", ports(80, 81), ports(82), [82, 80, 81]],
  ["what was there keeps its place", ports(80, 81, 82), ports(81), [80, 81, 82]],
  ["the patch's own order holds within it", ports(80, 81), ports(81, 80), [81, 80]],
  [
    "what the patch does not name stays where it was among those that it names",
    ports(82, 80, 81),
    { ports: [{ port: 83 }, { port: 81, $patch: "delete" }], ...order(80, 83) },
    [82, 80, 83],
  ],
  [
    "an order alone moves what it names behind what stood before it",
    ports(80, 81, 82),
    order(82, 80),
    [81, 82, 80],
  ],
])("%s", (_, before, patch, after) =>
  expect(applyStrategicPatch(before, patch, schema)).toEqual(ports(...(after as number[]))),
);

test("sets of plain values merge likewise", () =>
  expect(applyStrategicPatch({ names: ["a", "b"] }, { names: ["c", "b"] }, schema)).toEqual({
    names: ["c", "a", "b"],
  }));
