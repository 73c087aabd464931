import { expect, test } from "bun:test";
import { clusterWord, clusterWords, endpointWords } from "../config/index.ts";
import { SlotTable } from "./slots.ts";

test("slot table is full at its limit and not before", () => {
  // One block is never given away, so that no slot is 0.
  const table = new SlotTable(new Int32Array(1024), clusterWords * 2 + endpointWords);
  expect(table.take("cluster", "a")).toBe(clusterWords);
  expect(table.take("endpoint", "a\u0000x")).toBe(clusterWords * 2);
  expect(table.take("endpoint", "a\u0000y")).toBeUndefined();
  expect(table.take("cluster", "a")).toBe(clusterWords);
  expect(table.used).toBe(2);
});

test("slot table gives a freed block to the next owner, cleared", () => {
  const words = new Int32Array(1024);
  const table = new SlotTable(words, 512);
  const slot = table.take("cluster", "a")!;
  words[slot + clusterWord.ejectionsTotal] = 9;
  table.free("cluster", "a");
  expect(table.at("cluster", "a")).toBeUndefined();
  expect(table.take("cluster", "b")).toBe(slot);
  expect(words[slot + clusterWord.ejectionsTotal]).toBe(0);
});

test("slot table gives an owner that returns its old block with its counts", () => {
  const words = new Int32Array(1024);
  const table = new SlotTable(words, 512);
  const slot = table.take("cluster", "a")!;
  words[slot + clusterWord.requests] = 2;
  table.free("cluster", "a");
  expect(table.take("cluster", "b")).not.toBe(slot);
  expect(table.take("cluster", "a")).toBe(slot);
  expect(words[slot + clusterWord.requests]).toBe(2);
});
