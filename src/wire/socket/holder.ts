/** Who listens on an address, from /proc; for error texts only. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isIP } from "node:net";

/** Address and port as /proc/net/tcp writes them: 32-bit words in the machine's (little-endian) order. */
function procAddress(host: string, port: number): string | undefined {
  if (isIP(host) !== 4) return undefined;
  const bytes = host.split(".").map(Number).reverse();
  const hex = (n: number, width: number): string => n.toString(16).toUpperCase().padStart(width, "0");
  return `${bytes.map((b) => hex(b, 2)).join("")}:${hex(port, 4)}`;
}

function inodesOf(host: string, port: number): Set<string> {
  const wanted = procAddress(host, port);
  const any = procAddress("0.0.0.0", port);
  const inodes = new Set<string>();
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const parts = line.trim().split(/\s+/);
    if (parts[3] === "0A" && (parts[1] === wanted || parts[1] === any)) inodes.add(`socket:[${parts[9]}]`);
  }
  return inodes;
}

function pidsWith(inodes: Set<string>): string | undefined {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const fds = readdirSync(`/proc/${pid}/fd`);
      if (!fds.some((fd) => inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`)))) continue;
      return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
    } catch {
      // Another user's process, or one that just ended.
    }
  }
  return undefined;
}

/** "name (pid n)" of a process that listens there; undefined where that cannot be seen (IPv6, no /proc, rights). */
export function whoListens(host: string, port: number): string | undefined {
  try {
    const inodes = inodesOf(host, port);
    return inodes.size === 0 ? undefined : pidsWith(inodes);
  } catch {
    return undefined;
  }
}
