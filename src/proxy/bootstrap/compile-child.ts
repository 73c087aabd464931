/**
 * Compiles a bootstrap file in a process of its own: protobuf's generated code and YAML cost about 40 MB of resident
 * memory that the proxy would keep for one second's work.
 */
import { readFile } from "node:fs/promises";
import type { Clock } from "../../base/index.ts";
import { compileMs } from "./limits.ts";
import type { BootstrapResult } from "./types.ts";

/** First argument of a Weft process that compiles a bootstrap file and prints the result as JSON. */
export const compileArgument = "proxy-compile-bootstrap";

/** Reads and compiles the file here. */
export async function compileFile(file: string): Promise<BootstrapResult> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (e) {
    const message = e instanceof Error ? e.message : String(e);
    return {
      ok: false,
      errors: [{ path: "", message, where: { file, line: 1, column: 1, text: "" } }],
      warnings: [],
    };
  }
  const { parseBootstrap } = await import("./load.ts");
  return parseBootstrap(text, file);
}

/** What the child process does. */
export async function compileToStdout(file: string): Promise<void> {
  await Bun.write(Bun.stdout, JSON.stringify(await compileFile(file)));
}

/** `self`: command that starts this program. */
export async function compileInChild(
  file: string,
  self: readonly string[],
  clock: Clock,
): Promise<BootstrapResult> {
  const child = Bun.spawn([...self, compileArgument, file], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const timer = clock.after(compileMs, () => child.kill());
  const text = await new Response(child.stdout).text();
  const status = await child.exited;
  timer.cancel();
  if (status !== 0) throw new Error(`compiling ${file} ended with status ${status}`);
  return JSON.parse(text) as BootstrapResult;
}
