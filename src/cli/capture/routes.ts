/** The commands that redirect a host's connections, or a pod's. */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CaptureFlags } from "../commands/capture.ts";
import type { CliContext } from "../context.ts";
import { numberFlag, switchFlag, textFlag } from "../flags.ts";
import { ruleFlags } from "./flags.ts";

const port = (brief: string, low = 1) => numberFlag(brief, "PORT", low, 65_535);
const id = (brief: string) => numberFlag(brief, "ID", 0, 2 ** 32 - 2);

const backend = {
  kind: "enum",
  values: ["nft", "iptables"],
  optional: true,
  brief: "which kind of rules (default: nft where it is installed)",
} as const;
const dryRun = switchFlag("say what would be done, and do nothing");

const flags = {
  ...ruleFlags,
  annotations: textFlag(
    "Istio's annotations of a pod, a file of the downward API; flags go before them",
    "FILE",
  ),
  proxyUid: id("user whose connections are the proxy's (default 1337)"),
  proxyGid: id("group whose connections are the proxy's (default 1337)"),
  outboundPort: port("where outgoing connections are led (default 15001)"),
  inboundPort: port("where incoming connections are led (default 15006; 0: nowhere)", 0),
  dnsPort: port("where DNS is led (default 15053)"),
  noDns: switchFlag("leave DNS alone"),
  noIpv6: switchFlag("leave IPv6 alone"),
  backend,
};

const install = buildCommand<CaptureFlags, [], CliContext>({
  loader: async () => (await import("../commands/capture.ts")).install,
  parameters: { flags: { ...flags, dryRun } },
  docs: { brief: "put the rules into effect in this network namespace, in place of what was there" },
});

const print = buildCommand<Omit<CaptureFlags, "dryRun">, [], CliContext>({
  loader: async () => (await import("../commands/capture.ts")).print,
  parameters: { flags },
  docs: { brief: "print the rules exactly as `install` gives them to nft or iptables-restore" },
});

const uninstall = buildCommand<Pick<CaptureFlags, "backend" | "dryRun">, [], CliContext>({
  loader: async () => (await import("../commands/capture.ts")).uninstall,
  parameters: { flags: { backend, dryRun } },
  docs: { brief: "take the rules away; others' rules stay" },
});

export const capture = buildRouteMap({
  routes: { install, uninstall, print },
  docs: { brief: "redirect a host's or a pod's connections to a proxy" },
});
