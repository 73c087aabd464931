import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  annotationName,
  annotationsFrom,
  type Backend,
  type CaptureRules,
  defaultRules,
  findBackend,
  foreignRedirects,
  install as installRules,
  installSteps,
  nftUninstall,
  type RuleFlags,
  rulesFrom,
  uninstall as uninstallRules,
} from "../../app/capture/index.ts";
import { exitStatus, Problem } from "../../app/problem/index.ts";
import { ruleFlagsOf } from "../capture/flags.ts";
import type { CliContext } from "../context.ts";

export interface CaptureFlags extends RuleFlags {
  readonly annotations?: string;
  readonly proxyUid?: number;
  readonly proxyGid?: number;
  readonly outboundPort?: number;
  readonly inboundPort?: number;
  readonly dnsPort?: number;
  readonly noDns?: boolean;
  readonly noIpv6?: boolean;
  readonly backend?: Backend;
  readonly dryRun?: boolean;
}

/** Defaults, then annotations, then flags. */
export function rulesOf(context: Pick<CliContext, "cwd">, flags: CaptureFlags): CaptureRules {
  const { proxyUid, proxyGid, outboundPort, inboundPort, dnsPort } = flags;
  const base: CaptureRules = {
    ...defaultRules,
    ...(proxyUid !== undefined && { proxyUid }),
    ...(proxyGid !== undefined && { proxyGid }),
    ...(outboundPort !== undefined && { outboundPort }),
    ...(inboundPort !== undefined && { inboundPort }),
    ...(dnsPort !== undefined && { dnsPort }),
    ...(flags.noDns === true && { dnsPort: 0 }),
    ipv6: flags.noIpv6 !== true && existsSync("/proc/net/if_inet6"),
  };
  const annotated =
    flags.annotations === undefined
      ? base
      : rulesFrom(annotationsFrom(annotationsText(context, flags.annotations)), base, annotationName);
  return rulesFrom(ruleFlagsOf(flags), annotated);
}

function annotationsText({ cwd }: Pick<CliContext, "cwd">, file: string): string {
  try {
    return readFileSync(resolve(cwd, file), "utf8");
  } catch (error) {
    throw new Problem(`--annotations ${file} cannot be read`, {
      why: error instanceof Error ? error.message : String(error),
      exit: exitStatus.usage,
    });
  }
}

/** `weft capture print`: what `install` would do, touching nothing. */
export function print(this: CliContext, flags: CaptureFlags): void {
  const backend = findBackend(flags.backend, flags.backend === undefined ? undefined : () => true);
  const parts = installSteps(rulesOf(this, flags), backend).map(
    ({ argv, input }) => `# ${argv.join(" ")}\n${input ?? ""}`,
  );
  this.process.stdout.write(parts.join(""));
}

export function install(this: CliContext, flags: CaptureFlags): void {
  if (flags.dryRun === true) {
    print.call(this, flags);
    return;
  }
  const rules = rulesOf(this, flags);
  const backend = findBackend(flags.backend);
  const others = foreignRedirects(backend);
  installRules(rules, backend);
  for (const table of others)
    this.process.stderr.write(
      `warning: ${table} redirects connections too, and is left as it is: what it takes first does not come here\n`,
    );
  this.process.stdout.write(`rules are in effect (${backend})\n`);
}

export function uninstall(this: CliContext, flags: Pick<CaptureFlags, "backend" | "dryRun">): void {
  const backend = findBackend(flags.backend);
  if (flags.dryRun === true) {
    this.process.stdout.write(
      backend === "nft"
        ? `# nft -f -\n${nftUninstall}`
        : "# chains WEFT_* of table nat, and the jumps to them\n",
    );
    return;
  }
  uninstallRules(backend);
  this.process.stdout.write(`no rules are in effect (${backend})\n`);
}
