/** Runs kubectl's rows, one command after the other. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { delay, systemClock } from "../../../src/base/index.ts";
import { kubectlRows } from "./index.ts";
import type { Row, Step } from "./types.ts";

export interface KubectlOptions {
  readonly kubectl: string;
  readonly kubeconfig: string;
  readonly namespace: string;
  /** For caches and the editor. */
  readonly dir: string;
  readonly rows?: readonly Row[];
}

/** Longest wait of a step that is tried again. */
const untilMs = 20_000;

/** Arguments of a command line; 'single quotes' hold together. */
export function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|[^\s']+/g)].map((m) => m[1] ?? m[0]);
}

/** Results by row. */
export async function runKubectl(options: KubectlOptions): Promise<Map<string, unknown>> {
  mkdirSync(join(options.dir, "home"), { recursive: true });
  const results = new Map<string, unknown>();
  for (const row of options.rows ?? kubectlRows) {
    const steps: unknown[] = [];
    for (const step of row.steps) {
      const full = typeof step === "string" ? { run: step } : step;
      steps.push(await repeat(full, options));
    }
    results.set(`kubectl/${row.id}`, steps);
  }
  return results;
}

async function repeat(step: Step, options: KubectlOptions): Promise<unknown> {
  const end = systemClock.now() + untilMs;
  for (;;) {
    const done = await runStep(step, options);
    if (!step.until || step.until.test(`${done.raw}${done.err ?? ""}`) || systemClock.now() > end) {
      const { raw: _, ...result } = done;
      return { run: step.run, ...result };
    }
    await delay(systemClock, 200);
  }
}

interface Done {
  readonly code: number;
  readonly out?: unknown;
  readonly err?: string;
  readonly raw: string;
}

async function runStep(step: Step, options: KubectlOptions): Promise<Done> {
  const fill = (text: string): string => text.replaceAll("NAMESPACE", options.namespace);
  const editor = join(options.dir, "edit.sh");
  if (step.edit) writeFileSync(editor, `#!/bin/sh\nsed -i -e '${step.edit}' "$1"\n`, { mode: 0o755 });
  const child = Bun.spawn([options.kubectl, ...words(fill(step.run))], {
    cwd: options.dir,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: join(options.dir, "home"),
      KUBECONFIG: options.kubeconfig,
      KUBE_EDITOR: editor,
      LANG: "C",
    },
    stdin: step.stdin === undefined ? "ignore" : Buffer.from(`---\n${fill(step.stdin)}`),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [raw, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const out = shown(step, raw, code);
  return { code, ...(out !== "" && { out }), ...(err !== "" && { err: plain(err) }), raw };
}

function shown(step: Step, raw: string, code: number): unknown {
  if (step.pick && code === 0) return step.pick(raw);
  if (step.json && code === 0) return JSON.parse(raw);
  const text = plain(raw);
  const { lines } = step;
  return lines === undefined
    ? text
    : text
        .split("\n")
        .filter((line) => lines.test(line))
        .join("\n");
}

/** Widths of columns come from ages and names: blanks between them count as one. */
const plain = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trimEnd().replace(/(?<=\S) {2,}/g, "  "))
    .join("\n")
    .trimEnd();
