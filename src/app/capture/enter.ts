/** `weft run --captured`: the process that the rules lead to, within a namespace made for it or wherever it is. */
import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Clock, Logger } from "../../base/index.ts";
import { nameServers, parseResolvConf } from "../../proxy/dns/index.ts";
import { exitStatus, Problem } from "../problem/index.ts";
import type { Capture } from "../sidecar/index.ts";
import { holdGate, namesThrough, openGate, relayThrough } from "./gate.ts";
import { type Handover, readHandover } from "./handover.ts";
import { outsidePort, setUpInside } from "./inside.ts";
import { findProgram } from "./install.ts";
import { defaultRules } from "./rules.ts";

export interface EnterOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the user says that the workload's address is. */
  readonly address?: string;
  /** The process outside is gone: nothing can be reached any more. */
  readonly onAlone: () => void;
}

export interface Entered {
  readonly capture: Capture;
  /** Of the workload. */
  readonly address: string;
  stop(): void;
}

/** The group of the proxy's own connections, which the rules let through. */
const proxyGid = defaultRules.proxyGid!;

export async function enterCapture(options: EnterOptions): Promise<Entered> {
  const handover = readHandover(options.env);
  return handover === undefined ? onHost(options) : inNamespace(handover, options);
}

/** Rules that `weft capture install` made. */
function onHost({ clock, address = outerAddress() }: EnterOptions): Entered {
  if (address === undefined)
    throw new Problem("--captured needs to know by which address others reach this workload", {
      why: "no interface but loopback has an IPv4 address",
      mend: "name it with --address",
      exit: exitStatus.usage,
    });
  const gid = process.getegid?.() ?? -1;
  const uid = process.geteuid?.() ?? -1;
  if (uid === 0 && gid !== proxyGid) process.setgid?.(proxyGid);
  else if (gid !== proxyGid && uid !== defaultRules.proxyUid)
    throw new Problem("--captured needs the rules to tell the proxy from the application", {
      why: `they let user ${defaultRules.proxyUid} and group ${proxyGid} through, and this is user ${uid}, group ${gid}`,
      mend: `start it as root, or as one of them: setpriv --regid ${proxyGid} --keep-groups weft run --captured ...`,
      exit: exitStatus.usage,
    });
  const servers = existsSync("/etc/resolv.conf")
    ? parseResolvConf(readFileSync("/etc/resolv.conf", "utf8")).servers
    : ["127.0.0.1"];
  return {
    capture: {
      ipv6: existsSync("/proc/net/if_inet6"),
      dnsPort: defaultRules.dnsPort,
      names: nameServers(servers, { clock }),
      wrap: uid === 0 ? asUser(gid) : (command) => command,
    },
    address,
    stop() {},
  };
}

/** The first that is not loopback's. */
function outerAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find((i) => i.family === "IPv4" && !i.internal)?.address;
}

async function inNamespace(handover: Handover, { clock, log, onAlone, env }: EnterOptions): Promise<Entered> {
  const { gate, entrance, inside, user } = handover;
  const { ipv6 } = setUpInside(inside);
  if (!inside.unprivileged) process.setgid?.(proxyGid);
  const way = openGate({ path: entrance, log });
  const hold = await holdGate(gate, onAlone);
  const opened: { stop(): void }[] = [way, hold];
  for (const host of ipv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"])
    opened.push(relayThrough(gate, { host, port: outsidePort }, "original"));
  const exposed = new Set<string>();
  return {
    capture: {
      ipv6,
      dnsPort: inside.rules.dnsPort,
      names: namesThrough(gate, clock),
      adminAddress: handover.adminAddress,
      expose: (target) => {
        const relay = exposure(gate, target, exposed, log);
        if (relay !== undefined) opened.push(relay);
      },
      wrap: inside.unprivileged ? asNobodySpecial(user, env) : asUser(user.gid),
    },
    address: inside.address,
    stop: () => {
      for (const part of opened.splice(0)) part.stop();
    },
  };
}

/** A loopback port of the host's under the same number here. */
function exposure(gate: string, target: string, exposed: Set<string>, log: Logger) {
  const [, host = "", port = ""] = /^(?:[a-z]+:\/\/\/?)?\[?([^\]]*?)\]?:(\d+)/.exec(target) ?? [];
  const address = host === "localhost" ? "127.0.0.1" : host;
  if (!(address.startsWith("127.") || address === "::1") || exposed.has(`${address} ${port}`))
    return undefined;
  exposed.add(`${address} ${port}`);
  try {
    return relayThrough(gate, { host: address, port: Number(port) }, { address, port: Number(port) });
  } catch (error) {
    log.warn("an address of the host's cannot be made reachable here", { target, error: String(error) });
    return undefined;
  }
}

/** The group it came with, and no power over the rules. */
function asUser(gid: number): Capture["wrap"] {
  const setpriv = findProgram("setpriv");
  return (command) => {
    if (setpriv === undefined || !exists(command[0]!)) return command;
    const without = ["--inh-caps", "-all", "--bounding-set", "-net_admin,-sys_admin"];
    return [setpriv, "--regid", String(gid), "--keep-groups", ...without, "--", ...command];
  };
}

/** Itself again, in a user namespace that has no power over the network's. */
function asNobodySpecial({ uid, gid }: Handover["user"], env: EnterOptions["env"]): Capture["wrap"] {
  const unshare = findProgram("unshare") ?? "unshare";
  return (command) =>
    exists(command[0]!, env["PATH"])
      ? [unshare, "--user", `--map-user=${uid}`, `--map-group=${gid}`, "--", ...command]
      : command;
}

/** What does not exist is started as it is, and then complained about by its own name. */
function exists(program: string, path = process.env["PATH"]): boolean {
  return Bun.which(program, { PATH: path ?? "" }) !== null;
}
