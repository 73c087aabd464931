/** Runs h2spec against a port and reads its report. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureGoTool } from "../../../src/testkit/peers.ts";

export const h2spec = ensureGoTool(
  "h2spec",
  "github.com/summerwind/h2spec/cmd/h2spec",
  "v2.2.1+incompatible",
);

export interface H2specReport {
  readonly cases: number;
  /** Section and title of each case that did not pass, "skipped" before those that were not run. */
  readonly notPassed: readonly string[];
}

const attribute = (tag: string, name: string): string =>
  new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll("&#34;", '"') ?? "";

function readReport(xml: string): H2specReport {
  const notPassed: string[] = [];
  let cases = 0;
  for (const [, tag = "", body = ""] of xml.matchAll(/<testcase([^>]*)>(.*?)<\/testcase>/gs)) {
    cases++;
    const mark = body.includes("<skipped") ? "skipped " : "";
    if (mark !== "" || /<(failure|error)/.test(body)) {
      notPassed.push(`${mark}${attribute(tag, "package")}: ${attribute(tag, "classname")}`);
    }
  }
  return { cases, notPassed };
}

/** All cases, strict ones too: 146. `timeout`: seconds that h2spec waits for what must come, and for silence where nothing may. */
export async function runH2spec(
  port: number,
  options: { tls?: boolean; timeout?: number } = {},
): Promise<H2specReport> {
  const dir = mkdtempSync(join(tmpdir(), "weft-h2spec-"));
  try {
    const report = join(dir, "report.xml");
    const tls = options.tls === true ? ["-t", "-k"] : [];
    const argv = [
      h2spec!,
      "--strict",
      "-h",
      "127.0.0.1",
      "-p",
      `${port}`,
      "-o",
      `${options.timeout ?? 2}`,
      ...tls,
      "-j",
      report,
    ];
    const run = Bun.spawn(argv, { stdout: "ignore", stderr: "ignore" });
    await run.exited;
    return readReport(readFileSync(report, "utf8"));
  } finally {
    rmSync(dir, { recursive: true });
  }
}
