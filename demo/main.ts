/** `make demo`: the story from source. OUT, WITHOUT and CLUSTER come as --out, --without and --cluster. */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { keepLoopbackDirect } from "../src/app/loopback/index.ts";
import { runDemo } from "./run.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { out: text, without: text, cluster: text } });
keepLoopbackDirect(process.env);
const terminal = process.stdout.isTTY === true;

process.exitCode = await runDemo({
  self: [process.execPath, join(import.meta.dir, "../src/main.ts")],
  ...(values.out === undefined ? {} : { out: values.out }),
  ...(values.without === undefined ? {} : { without: values.without }),
  ...(values.cluster === undefined ? {} : { cluster: resolve(values.cluster) }),
  stay: terminal,
  color: terminal && !process.env["NO_COLOR"],
});
