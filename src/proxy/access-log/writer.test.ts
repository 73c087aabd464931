import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "../../base/index.ts";
import { AccessLogWriter, maxQueuedBytes } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-access-log-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const log = createLogger({ sink: () => {} });

test("access log lines are appended in order and after rotation go to a new file", async () => {
  const writer = new AccessLogWriter({ log });
  const file = join(dir, "a.log");
  writer.write(file, "one\n");
  writer.write(file, "two\n");
  await writer.flush();
  renameSync(file, `${file}.1`);
  writer.reopen();
  writer.write(file, "three\n");
  await writer.close();
  expect(readFileSync(`${file}.1`, "utf8")).toBe("one\ntwo\n");
  expect(readFileSync(file, "utf8")).toBe("three\n");
});

test("access log lines beyond the limit of waiting bytes are dropped and counted", async () => {
  const writer = new AccessLogWriter({ log });
  const file = join(dir, "b.log");
  const half = "x".repeat(maxQueuedBytes / 2);
  writer.write(file, half);
  writer.write(file, half);
  expect(writer.dropped).toBe(0);
  writer.write(file, "y");
  expect(writer.dropped).toBe(1);
  await writer.flush();
  writer.write(file, "z");
  await writer.close();
  expect(readFileSync(file, "utf8").length).toBe(maxQueuedBytes + 1);
});

test("access log that cannot be written loses lines, not the proxy", async () => {
  const writer = new AccessLogWriter({ log });
  writer.write(join(dir, "no", "such", "folder"), "line\n");
  await writer.close();
  expect(writer.dropped).toBe(5);
});

test("access log to stdout goes where the process says", () => {
  const got: string[] = [];
  new AccessLogWriter({ log, stdout: (t) => got.push(t) }).write("stdout", "line\n");
  expect(got).toEqual(["line\n"]);
});
