/** What a workload does first in its own namespace: its link, addresses, routes, rules, and how names are asked for. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { ResolvConf } from "../../proxy/dns/index.ts";
import { Problem } from "../problem/index.ts";
import { addressesFor, networkRanges } from "./addresses.ts";
import { findBackend, install, type Run, runProgram } from "./install.ts";
import { bridge } from "./network.ts";
import { type CaptureRules, defaultRules } from "./rules.ts";

/** Port where what goes outside is taken to the gate. */
export const outsidePort = 15_009;

/** Clusters' own addresses that a service may have, besides Weft's: Kubernetes' and kubeadm's defaults. */
const clusterRanges = ["10.96.0.0/12", "10.43.0.0/16", "172.20.0.0/16"];
const vipRanges = ["240.240.0.0/16", "fd77:240::/64"];

export interface Inside {
  /** On the shared network. */
  readonly address: string;
  /** Process that keeps the shared network. */
  readonly network: number;
  /** Within a user namespace everybody is one user: only virtual addresses can be told to be the application's. */
  readonly unprivileged: boolean;
  /** Where the resolv.conf for the application is written. */
  readonly resolvConf: string;
  readonly namespace: string;
  readonly rules: CaptureRules;
}

/** Throws a Problem with the program that failed. Returns whether there is IPv6. */
export function setUpInside(inside: Inside, run: Run = runProgram): { readonly ipv6: boolean } {
  const { address, network } = inside;
  const own = addressesFor(address);
  if (own === undefined) throw new Problem(`${address} is no address of the captured network`);
  const peer = `w${own.v6.slice("fd66::1:".length)}`;
  const must = (...argv: string[]): void => {
    const { status, error } = run(argv);
    if (status !== 0)
      throw new Problem("the workload's network could not be made", { why: `${argv.join(" ")}: ${error}` });
  };
  must("ip", "link", "set", "lo", "up");
  const bridged = ["nsenter", "-t", String(network), "-n", "ip", "link"];
  // A link of a life before that was not taken down yet.
  run([...bridged, "del", peer]);
  must("ip", "link", "add", "eth0", "type", "veth", "peer", "name", peer, "netns", String(network));
  must(...bridged, "set", peer, "master", bridge, "up");
  must("ip", "addr", "add", `${own.v4}/16`, "dev", "eth0");
  must("ip", "link", "set", "eth0", "up");
  must("ip", "route", "add", "default", "dev", "eth0");
  const ipv6 =
    existsSync("/proc/net/if_inet6") &&
    run(["ip", "-6", "addr", "add", `${own.v6}/64`, "dev", "eth0", "nodad"]).status === 0 &&
    run(["ip", "-6", "route", "add", "default", "dev", "eth0"]).status === 0;
  install(rulesInside({ ...inside, ipv6 }), findBackend(undefined), run);
  ownResolvConf(inside, run);
  return { ipv6 };
}

/** Rules of a namespace of its own. */
export function rulesInside({
  unprivileged,
  rules,
  ipv6,
}: Pick<Inside, "unprivileged" | "rules"> & { readonly ipv6: boolean }): CaptureRules {
  const { proxyUid: _, proxyGid, ...rest } = rules;
  const outside = { port: outsidePort, local: [...networkRanges] };
  if (!unprivileged) return { ...rest, ...(proxyGid !== undefined && { proxyGid }), ipv6, outside };
  return { ...rest, ipv6, outside, includeCidrs: [...vipRanges, ...clusterRanges] };
}

export const runRules: CaptureRules = defaultRules;

/** Search domains as Kubernetes gives them, then the host's; any server will do, since its port is redirected. */
export function resolvConfText(host: ResolvConf, namespace: string, domain = "cluster.local"): string {
  const search = [`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...host.search];
  return `nameserver 127.0.0.1\nsearch ${[...new Set(search)].join(" ")}\n${
    host.options.length > 0 ? `options ${host.options.join(" ")}\n` : ""
  }`;
}

/** Over /etc/resolv.conf, for this mount namespace alone. Where there is none, resolvers ask 127.0.0.1 anyway. */
function ownResolvConf({ resolvConf, namespace }: Inside, run: Run): void {
  const target = "/etc/resolv.conf";
  if (!existsSync(target)) return;
  writeFileSync(resolvConf, resolvConfText(hostResolvConf(), namespace), { mode: 0o644 });
  const { status, error } = run(["mount", "--bind", resolvConf, target]);
  if (status !== 0) throw new Problem("names could not be led to the sidecar", { why: `mount: ${error}` });
}

function hostResolvConf(): ResolvConf {
  const lines = readFileSync("/etc/resolv.conf", "utf8")
    .split("\n")
    .map((l) => l.trim().split(/\s+/));
  const of = (word: string): string[] => lines.filter(([w]) => w === word).flatMap(([, ...rest]) => rest);
  return { servers: [], search: of("search"), options: of("options") };
}
