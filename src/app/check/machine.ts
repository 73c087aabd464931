/** This machine: ports that somebody holds on every address, and how many files a process may open. */
import { readFileSync } from "node:fs";
import { whoListens } from "../../wire/socket/index.ts";
import { limits } from "./limits.ts";
import { bad, type Look, ok } from "./types.ts";

/** Ports that each sidecar binds on its own address. */
const sidecarPorts = [15_000, 15_001, 15_008, 15_020, 15_021];

const wildcards = new Set(["00000000", "0".repeat(32)]);

/** Ports that are listened on at every address, in the words of /proc/net/tcp and tcp6. */
export function wildcardPorts(tables: readonly string[]): ReadonlySet<number> {
  const found = new Set<number>();
  for (const line of tables.flatMap((t) => t.split("\n"))) {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.split(":");
    if (state === "0A" && wildcards.has(address)) found.add(Number.parseInt(port, 16));
  }
  return found;
}

export function portsLook(
  taken: ReadonlySet<number>,
  servicePorts: readonly number[],
  who: (port: number) => string | undefined,
): Look {
  const check = "ports of sidecars are free on this machine";
  const wanted = [...new Set([...sidecarPorts, ...servicePorts])];
  const held = wanted.filter((port) => taken.has(port));
  if (held.length === 0) return ok(check, wanted.join(", "));
  const names = held.map((port) => `${port} by ${who(port) ?? "another process"}`);
  return bad(
    "error",
    check,
    `taken on every address: ${names.join(", ")}`,
    "let that process listen on one address, 127.0.0.1 for example",
  );
}

export function filesLook(limitsText: string): Look {
  const check = "processes may open enough files";
  const soft = /^Max open files\s+(\S+)/m.exec(limitsText)?.[1] ?? "";
  const many = soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
  if (many >= limits.filesWarn) return ok(check, soft);
  return bad("warning", check, `${soft}; each connection takes two`, `ulimit -n ${limits.filesWarn * 4}`);
}

/** Nothing where the system has no such files. */
export function checkMachine(servicePorts: readonly number[]): readonly Look[] {
  const read = (name: string): string => {
    try {
      return readFileSync(name, "utf8");
    } catch {
      return "";
    }
  };
  if (process.platform !== "linux") return [];
  const taken = wildcardPorts([read("/proc/net/tcp"), read("/proc/net/tcp6")]);
  return [
    portsLook(taken, servicePorts, (port) => whoListens("0.0.0.0", port)),
    filesLook(read("/proc/self/limits")),
  ];
}
