/** `weft run --transparent`, the process outside: makes the namespace, holds the gate, starts the sidecar inside. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "../../base/index.ts";
import { nameServers, parseResolvConf } from "../../proxy/dns/index.ts";
import { Problem } from "../problem/index.ts";
import type { SidecarOptions } from "../sidecar/index.ts";
import {
  adminPorts,
  allotAddress,
  type Capture,
  machineHold,
  openInstance,
  takenAddresses,
} from "../sidecar/index.ts";
import { type Addresses, addressesFor, handoverVariable } from "./addresses.ts";
import { openGate, relayThrough } from "./gate.ts";
import { writeHandover } from "./handover.ts";
import { findBackend } from "./install.ts";
import { howToIsolate, joinNetwork, type Network } from "./network.ts";
import type { CaptureRules } from "./rules.ts";

export interface TransparentOptions
  extends Pick<
      SidecarOptions,
      | "client"
      | "namespace"
      | "service"
      | "version"
      | "port"
      | "address"
      | "stateDir"
      | "stateRoot"
      | "cwd"
      | "env"
    >,
    Pick<SidecarOptions, "clock" | "rng" | "log"> {
  readonly rules: CaptureRules;
  /** The command line of the process inside. */
  readonly inner: (given: { readonly address: string; readonly stateDir: string }) => readonly string[];
}

export interface Transparent {
  readonly addresses: Addresses;
  /** Exit status of the process inside, which is the command's. */
  readonly exited: Promise<number>;
  signal(name: NodeJS.Signals): void;
}

export async function startTransparent(options: TransparentOptions): Promise<Transparent> {
  const how = howToIsolate();
  findBackend(undefined);
  const undo: (() => void)[] = [];
  const revert = (): void => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const state = openInstance(options);
    undo.push(() => state.release());
    const { addresses, release } = await allot(options, state.identity.address);
    undo.push(release);
    const network = await joinNetwork({
      dir: join(options.stateRoot, "network"),
      unprivileged: how === "user-namespace",
      hold: machineHold,
      clock: options.clock,
    });
    undo.push(() => network.release());
    const dir = mkdtempSync(join(tmpdir(), "weft-"));
    chmodSync(dir, 0o700);
    undo.push(() => rmSync(dir, { recursive: true, force: true }));
    const gate = openGate({ path: join(dir, "out"), names: hostNames(options), log: options.log });
    undo.push(() => gate.stop());
    for (const relay of hostRelays(options, addresses, join(dir, "in"))) undo.push(() => relay.stop());
    const child = startInside(options, { addresses, network, dir, stateDir: state.dir, how });
    const exited = child.exited.then((code) => {
      revert();
      return child.signalCode === null ? code : 128 + (signals[child.signalCode] ?? 0);
    });
    return { addresses, exited, signal: (name) => void child.kill(name) };
  } catch (error) {
    revert();
    throw error;
  }
}

const signals: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

async function allot(
  options: TransparentOptions,
  last: string | undefined,
): Promise<{ readonly addresses: Addresses; release(): void }> {
  const { address, rng } = options;
  const wanted = address === undefined ? undefined : addressesFor(address);
  if (address !== undefined && wanted === undefined)
    throw new Problem(`--address ${address} is not in 10.66.0.0/16`, {
      mend: "workloads with a namespace of their own have addresses 10.66.x.y",
    });
  // The sidecar itself insists, or goes on from its last good configuration.
  const known = await takenAddresses(options, "", true).catch(() => new Set<string>());
  const before = last === undefined ? undefined : addressesFor(last)?.host;
  // An entry of this instance's own last life is no reason to move.
  const taken = new Set([...known].flatMap((a) => addressesFor(a)?.host ?? []).filter((a) => a !== before));
  const allotted = allotAddress({
    wanted: wanted?.host,
    taken,
    state: {
      identity: { format: 1, suffix: "", ...(before !== undefined && { address: before }) },
      saveAddress() {},
    },
    rng,
  });
  return { addresses: addressesFor(allotted.address)!, release: () => allotted.release() };
}

function hostNames({ clock }: TransparentOptions) {
  try {
    return nameServers(parseResolvConf(readFileSync("/etc/resolv.conf", "utf8")).servers, { clock });
  } catch {
    return nameServers(["127.0.0.1"], { clock });
  }
}

/** On the host, under an address of its own: admin pages, metrics, readiness, and the service as its callers see it. */
function hostRelays(
  { port, log }: TransparentOptions,
  { host, v4 }: Addresses,
  entrance: string,
): { stop(): void }[] {
  const ways: readonly (readonly [number, string])[] = [
    [adminPorts.admin, "127.0.0.1"],
    [adminPorts.metrics, v4],
    [adminPorts.ready, v4],
    [port, v4],
  ];
  return ways.flatMap(([number, address]) => {
    try {
      return [relayThrough(entrance, { host, port: number }, { address, port: number })];
    } catch (error) {
      warnNoRelay(log, `${host}:${number}`, error);
      return [];
    }
  });
}

function warnNoRelay(log: Logger, place: string, error: unknown): void {
  log.warn("a port of the workload is not to be had on the host", { place, error: String(error) });
}

interface Place {
  readonly addresses: Addresses;
  readonly network: Network;
  readonly dir: string;
  readonly stateDir: string;
  readonly how: ReturnType<typeof howToIsolate>;
}

function startInside(options: TransparentOptions, place: Place): Bun.Subprocess {
  const { addresses, network, dir, stateDir, how } = place;
  const unprivileged = how === "user-namespace";
  const file = join(dir, "handover.json");
  writeHandover(file, {
    gate: join(dir, "out"),
    entrance: join(dir, "in"),
    inside: {
      address: addresses.v4,
      network: network.pid,
      unprivileged,
      resolvConf: join(dir, "resolv.conf"),
      namespace: options.namespace,
      rules: options.rules,
    },
    user: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
    adminAddress: addresses.host,
  });
  const enter = unprivileged
    ? ["nsenter", "--target", String(network.pid), "--user", "--preserve-credentials"]
    : [];
  const argv = [
    ...enter,
    "unshare",
    "--net",
    "--mount",
    ...options.inner({ address: addresses.v4, stateDir }),
  ];
  return Bun.spawn(argv, {
    cwd: options.cwd,
    env: { ...options.env, [handoverVariable]: file },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
    // A terminal's keys reach the process outside alone, which passes them on once.
    detached: true,
  });
}

export type { Capture };
