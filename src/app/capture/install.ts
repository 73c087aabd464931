/** Puts rules into effect in this process's network namespace, and takes them away. */
import { Problem } from "../problem/index.ts";
import { chains, type Family, iptablesInstall, jumps, programs } from "./iptables.ts";
import { nftInstall, nftTable, nftUninstall } from "./nft.ts";
import type { CaptureRules } from "./rules.ts";

export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a program to its end; 127 where there is none. */
export type Run = (argv: readonly string[], input?: string) => Ran;

export const runProgram: Run = (argv, input) => {
  const path = findProgram(argv[0]!);
  if (path === undefined) return { status: 127, out: "", error: `${argv[0]} is not installed` };
  const done = Bun.spawnSync([path, ...argv.slice(1)], {
    stdin: input === undefined ? "ignore" : Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  return { status: done.exitCode, out: done.stdout.toString(), error: done.stderr.toString().trim() };
};

/** On PATH, or where administrators' programs are. */
export function findProgram(name: string): string | undefined {
  return Bun.which(name, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin` }) ?? undefined;
}

export type Backend = "nft" | "iptables";

/** nftables where it is, else iptables. */
export function findBackend(
  wanted: Backend | undefined,
  has: (name: string) => boolean = (n) => findProgram(n) !== undefined,
): Backend {
  const backends: readonly Backend[] = wanted === undefined ? ["nft", "iptables"] : [wanted];
  const found = backends.find(has);
  if (found !== undefined) return found;
  throw new Problem(`${backends.join(" or ")} is needed to redirect connections, and is not installed`, {
    mend: "install the package nftables (or iptables); without it, `weft run` without --transparent uses proxy variables",
  });
}

/** What is given to which program, in order: exactly what `install` does. */
export function installSteps(
  rules: CaptureRules,
  backend: Backend,
): readonly { argv: string[]; input?: string }[] {
  if (backend === "nft") return [{ argv: ["nft", "-f", "-"], input: nftInstall(rules) }];
  return families(rules).flatMap((family) => [
    { argv: [programs[family].restore, "--noflush"], input: iptablesInstall(rules, family) },
    ...jumps.map(([from, to]) => ({
      argv: [programs[family].rules, "-w", "-t", "nat", "-A", from, "-j", to],
    })),
  ]);
}

const families = (rules: Pick<CaptureRules, "ipv6">): Family[] => (rules.ipv6 ? ["v4", "v6"] : ["v4"]);

function must(run: Run, argv: readonly string[], input?: string): void {
  const { status, error } = run(argv, input);
  if (status === 0) return;
  throw new Problem("the rules could not be put into effect", {
    why: `${argv.join(" ")}: ${error || `status ${status}`}`,
    mend: /permitted|denied/i.test(error)
      ? "this needs root (CAP_NET_ADMIN) in the network namespace"
      : "`weft capture print` shows the rules",
  });
}

/** Replaces what was installed before. */
export function install(rules: CaptureRules, backend: Backend, run: Run = runProgram): void {
  for (const { argv, input } of installSteps(rules, backend)) {
    // A jump that is there already leads to the chain that was just replaced.
    if (argv.includes("-A") && run(argv.map((a) => (a === "-A" ? "-C" : a))).status === 0) continue;
    must(run, argv, input);
  }
}

/** Takes away what `install` put there, of either back end; nothing there is fine. */
export function uninstall(backend: Backend, run: Run = runProgram): void {
  if (backend === "nft") {
    must(run, ["nft", "-f", "-"], nftUninstall);
    return;
  }
  for (const family of ["v4", "v6"] as const) {
    const nat = [programs[family].rules, "-w", "-t", "nat"];
    for (const [from, to] of jumps) while (run([...nat, "-D", from, "-j", to]).status === 0);
    for (const name of Object.values(chains)) run([...nat, "-F", name]);
    for (const name of Object.values(chains)) run([...nat, "-X", name]);
  }
}

/** Other tables that redirect outgoing or incoming connections too: they are left alone, and may come first. */
export function foreignRedirects(backend: Backend, run: Run = runProgram): readonly string[] {
  const found = new Set<string>();
  if (backend === "nft") {
    let table = "";
    let chain = "";
    for (const line of run(["nft", "list", "ruleset"]).out.split("\n")) {
      if (line.startsWith("table ")) table = line.slice("table ".length).replace(/ \{.*$/, "");
      else if (/^\s*chain /.test(line)) chain = line.trim().slice("chain ".length);
      else if (table === nftTable || chain.startsWith("WEFT_")) continue;
      else if (/\bredirect\b|\btproxy\b|REDIRECT/.test(line)) found.add(table);
    }
  } else
    for (const line of run(["iptables-save", "-t", "nat"]).out.split("\n")) {
      const [, name = ""] = /^-A (\S+) .*-j (?:REDIRECT|TPROXY)/.exec(line) ?? [];
      if (name !== "" && !name.startsWith("WEFT_")) found.add(name);
    }
  return [...found].sort();
}
