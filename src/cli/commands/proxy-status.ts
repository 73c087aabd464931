import type { ProxySync, TypeSync } from "../../app/control-plane/index.ts";
import { askDebug, planeRecord } from "../../app/debug/index.ts";
import { Problem } from "../../app/problem/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { age, encodeData, formatOf, table } from "../output.ts";

export interface ProxyStatusFlags extends ClientFlags {
  readonly output?: string;
  readonly noHeaders?: boolean;
}

/** Names at which a line ends. */
const mostNames = 5;

/** The refused resources; where a proxy names none it may mean any of many. */
function named({ refusedNames = [] }: TypeSync): string {
  const shown = refusedNames.slice(0, mostNames).join(", ");
  return refusedNames.length > mostNames ? `${shown} and ${refusedNames.length - mostNames} more` : shown;
}

const types = ["CDS", "LDS", "EDS", "RDS"] as const;

/** `weft proxy-status`, from the control plane's debug port. */
export async function proxyStatus(this: CliContext, flags: ProxyStatusFlags): Promise<void> {
  const format = formatOf(flags.output, ["json", "yaml", "wide", "name"]);
  const { client } = openSession(this, flags);
  const record = await planeRecord(client);
  if (record === undefined)
    throw new Problem("no control plane is known to the API server", { mend: "start `weft dev`" });
  const all = await askDebug<readonly ProxySync[]>(client, record.debugAddress, "/debug/syncz");
  const proxies = all.filter((p) => flags.namespace === undefined || p.namespace === flags.namespace);
  const out = (text: string): void => void this.process.stdout.write(text);
  if (format === "json" || format === "yaml")
    return out(
      await encodeData({ apiVersion: "weft.dev/v1", kind: "ProxyStatusList", items: proxies }, format),
    );
  if (format === "name") return out(proxies.map((p) => `${p.workload}.${p.namespace}\n`).join(""));
  if (proxies.length === 0) {
    this.process.stderr.write("No proxy is connected.\n");
    return;
  }
  const wide = format === "wide";
  const head = ["NAME", "CLUSTER", ...types, "VERSION", ...(wide ? ["CONNECTED", "PEER"] : [])];
  const rows = proxies.map((p) => [
    `${p.workload}.${p.namespace}`,
    p.cluster,
    ...types.map((t) => p.types[t]?.state ?? "NOT SENT"),
    p.version,
    ...(wide ? [age(this.clock.wall() - p.connectedAt), p.address] : []),
  ]);
  out(table(head, rows, { headers: flags.noHeaders !== true, bold: this.style.bold }));
  for (const p of proxies)
    for (const [type, state] of Object.entries(p.types))
      if (state.refused)
        this.process.stderr.write(
          `${this.talk.red(`${p.workload} refuses ${type}`)} ${named(state)}: ${state.refused}\n`,
        );
}
