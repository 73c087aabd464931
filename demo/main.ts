/** `make demo`: the story from source. OUT and WITHOUT come as --out and --without. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keepLoopbackDirect } from "../src/app/loopback/index.ts";
import { runDemo } from "./run.ts";

const { values } = parseArgs({ options: { out: { type: "string" }, without: { type: "string" } } });
keepLoopbackDirect(process.env);
const terminal = process.stdout.isTTY === true;

process.exitCode = await runDemo({
  self: [process.execPath, join(import.meta.dir, "../src/main.ts")],
  ...(values.out === undefined ? {} : { out: values.out }),
  ...(values.without === undefined ? {} : { without: values.without }),
  stay: terminal,
  color: terminal && !process.env["NO_COLOR"],
});
