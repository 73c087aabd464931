/** This machine's own addresses are never asked for through a proxy that the environment names. */

const local = ["localhost", "127.0.0.0/8", "::1"];

/** Adds loopback to NO_PROXY in both cases; what is there stays. Bun's fetch reads them at each call. */
export function keepLoopbackDirect(env: Record<string, string | undefined>): void {
  const have = (env["no_proxy"] ?? env["NO_PROXY"] ?? "").split(",").filter((s) => s !== "");
  const all = [...new Set([...have, ...local])].join(",");
  env["NO_PROXY"] = all;
  env["no_proxy"] = all;
}
