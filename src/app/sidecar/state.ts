/** The state folder of one instance (0700): who it is and where it lives, kept over restarts. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Rng } from "../../base/index.ts";
import { Problem } from "../problem/index.ts";
import { limits } from "./limits.ts";

/** Written as JSON in `instance.json`. */
export interface Identity {
  readonly format: 1;
  readonly suffix: string;
  /** Undefined until one was allotted. */
  readonly address?: string;
}

export interface InstanceState {
  readonly dir: string;
  readonly identity: Identity;
  saveAddress(address: string): void;
  release(): void;
}

/** A named hold on something of this machine: a second holder is refused while the first process lives. */
export type Hold = (name: string) => { release(): void } | undefined;

/**
 * Holds by abstract Unix sockets: the kernel gives them back when the process dies. Seen by the whole network
 * namespace, so addresses held this way are unique among all users of it.
 */
export const machineHold: Hold = (name) => {
  // The kernel takes 107 bytes; what a long path loses in legibility its digest keeps in uniqueness.
  const fits = Buffer.byteLength(name) <= limits.holdNameBytes;
  const short = fits ? name : new Bun.CryptoHasher("sha256").update(name).digest("base64url");
  try {
    const listener = Bun.listen({
      unix: `\0weft/${short}`,
      socket: { data() {}, open: (s) => void s.end() },
    });
    listener.unref();
    return { release: () => listener.stop(true) };
  } catch {
    return undefined;
  }
};

/** `$XDG_STATE_HOME/weft`, else `~/.local/state/weft`. */
export function defaultStateRoot(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["XDG_STATE_HOME"] || join(homedir(), ".local/state"), "weft");
}

/** Opens the folder, or says who uses it. */
export function openState(dir: string, rng: Rng, hold: Hold = machineHold): InstanceState {
  const full = resolve(dir);
  const held = hold(`state/${full}`);
  if (held === undefined)
    throw new Problem(`state folder ${dir} is used by another weft run`, {
      why: "two sidecars must not share an address and a key",
      mend: "name another one with --state-dir, or stop the other",
    });
  mkdirSync(full, { recursive: true, mode: 0o700 });
  chmodSync(full, 0o700);
  const file = join(full, "instance.json");
  let identity = readIdentity(file) ?? { format: 1, suffix: suffix(rng) };
  const save = (): void => {
    const next = `${file}.new`;
    writeFileSync(next, `${JSON.stringify(identity)}\n`, { mode: 0o600 });
    renameSync(next, file);
  };
  save();
  return {
    dir: full,
    get identity() {
      return identity;
    },
    saveAddress(address) {
      identity = { ...identity, address };
      save();
    },
    release: () => held.release(),
  };
}

/** The first folder below `root` that nobody uses: instances of one service and version share a parent. */
export function openFreeState(root: string, rng: Rng, hold: Hold = machineHold): InstanceState {
  for (let n = 0; n < limits.maxInstances; n++) {
    const dir = join(root, String(n));
    const probe = hold(`state/${resolve(dir)}`);
    if (probe === undefined) continue;
    probe.release();
    return openState(dir, rng, hold);
  }
  throw new Problem(`more than ${limits.maxInstances} instances run from ${root}`);
}

function readIdentity(file: string): Identity | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const value = JSON.parse(readFileSync(file, "utf8")) as Partial<Identity>;
    if (value.format !== 1 || typeof value.suffix !== "string" || !/^[a-z0-9]{5}$/.test(value.suffix))
      return undefined;
    return typeof value.address === "string"
      ? { format: 1, suffix: value.suffix, address: value.address }
      : { format: 1, suffix: value.suffix };
  } catch {
    return undefined;
  }
}

/** Letters and digits as Kubernetes' generated names have: none that look alike, no vowels. */
function suffix(rng: Rng): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  return Array.from({ length: 5 }, () => alphabet[rng.int(alphabet.length)]).join("");
}

export interface AddressOptions {
  readonly wanted: string | undefined;
  /** Addresses of workloads that the API server knows, this one's own left out. */
  readonly taken: ReadonlySet<string>;
  readonly state: Pick<InstanceState, "identity" | "saveAddress">;
  readonly rng: Rng;
  readonly hold?: Hold;
}

/** This workload's own address in 127.66.0.0/16, the last one if it is free; held until released. */
export function allotAddress(options: AddressOptions): { readonly address: string; release(): void } {
  const { wanted, taken, state, rng, hold = machineHold } = options;
  const take = (address: string) => {
    const held = hold(`address/${address}`);
    if (held === undefined) return undefined;
    state.saveAddress(address);
    return { address, release: () => held.release() };
  };
  if (wanted !== undefined) {
    const got = take(wanted);
    if (got) return got;
    throw new Problem(`address ${wanted} is used by another weft run`, {
      mend: "name another one with --address",
    });
  }
  const last = state.identity.address;
  const before = last !== undefined && !taken.has(last) ? take(last) : undefined;
  if (before) return before;
  for (let i = 0; i < limits.addressAttempts; i++) {
    const address = `127.66.${rng.int(256)}.${1 + rng.int(254)}`;
    const got = taken.has(address) ? undefined : take(address);
    if (got) return got;
  }
  throw new Problem(`no free address in 127.66.0.0/16 after ${limits.addressAttempts} tries`);
}
