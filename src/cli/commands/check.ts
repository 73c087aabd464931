import { type Finding, type Outcome, runChecks } from "../../app/check/index.ts";
import { exitStatus } from "../../app/problem/index.ts";
import { delay } from "../../base/index.ts";
import { kubeconfigPath, openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { encodeData, formatOf } from "../output.ts";

export interface CheckFlags extends ClientFlags {
  readonly output?: string;
  /** Seconds. */
  readonly wait?: number;
}

const pauseMs = 1_000;

/** `weft check`: exit status 1 where something is wrong; warnings alone are no failure. */
export async function check(this: CliContext, flags: CheckFlags): Promise<void> {
  const format = formatOf(flags.output, ["json", "yaml"]);
  const { client, namespace } = openSession(this, flags);
  const kubeconfig = kubeconfigPath(this, flags.kubeconfig);
  const look = () =>
    runChecks({ client, namespace, kubeconfig, version: this.version, clock: this.clock, rng: this.rng });
  const end = this.clock.now() + (flags.wait ?? 0) * 1000;
  let findings = await look();
  while (failed(findings) && this.clock.now() < end) {
    await delay(this.clock, pauseMs);
    findings = await look();
  }
  const good = !failed(findings);
  this.exit.status = good ? exitStatus.ok : exitStatus.failed;
  const out = (text: string): void => void this.process.stdout.write(text);
  if (format === undefined) out(text(this, findings, good));
  else
    out(
      await encodeData({ apiVersion: "weft.dev/v1", kind: "CheckReport", ok: good, items: findings }, format),
    );
}

const failed = (findings: readonly Finding[]): boolean => findings.some((f) => f.result === "error");

function text({ style }: CliContext, findings: readonly Finding[], good: boolean): string {
  const marks: Readonly<Record<Outcome, string>> = {
    ok: style.ok,
    warning: style.warn,
    error: style.bad,
    skipped: style.dim("-"),
  };
  const lines: string[] = [];
  for (const category of new Set(findings.map((f) => f.category))) {
    lines.push(style.bold(category), "-".repeat(category.length));
    for (const f of findings.filter((one) => one.category === category)) {
      const quiet = f.result === "ok" || f.result === "skipped";
      lines.push(`${marks[f.result]} ${f.check}${quiet && f.detail ? style.dim(`: ${f.detail}`) : ""}`);
      if (!quiet) lines.push(`    ${f.detail ?? ""}`, `    ${style.dim("mend:")} ${f.mend ?? ""}`);
    }
    lines.push("");
  }
  lines.push(`Status check results are ${good ? style.ok : style.bad}`);
  return `${lines.join("\n")}\n`;
}
