import type { DumpFilter } from "../../explain/dump/index.ts";
import type { CliContext } from "../context.ts";
import { encodeData, formatOf, table } from "../output.ts";
import { pageOf, type ReachFlags, reach, type Section, sections } from "../proxy-config/index.ts";

export interface ProxyConfigFlags extends ReachFlags {
  readonly output?: string;
  readonly noHeaders?: boolean;
  readonly fqdn?: string;
  readonly port?: number;
  readonly direction?: "inbound" | "outbound";
  readonly subset?: string;
  readonly name?: string;
  readonly address?: string;
  readonly cluster?: string;
  readonly status?: string;
}

export type ProxyConfigCommand = (
  this: CliContext,
  flags: ProxyConfigFlags,
  instance?: string,
) => Promise<void>;

/** `weft proxy-config SECTION`: what a proxy runs on, and which object made it so. */
export function proxyConfig(section: Section | "all"): ProxyConfigCommand {
  return async function (flags, instance) {
    // istioctl's habit: a bootstrap is data.
    const format = formatOf(flags.output ?? (section === "bootstrap" ? "json" : "short"), [
      "short",
      "json",
      "yaml",
    ]);
    const { dump, raw } = await reach(this, flags, instance);
    const out = (text: string): void => void this.process.stdout.write(text);
    const filter: DumpFilter = flags;
    const pages = (section === "all" ? sections : [section]).map((name) => ({
      name,
      page: pageOf(name, dump, filter, this.clock.wall()),
    }));
    if (format === "json" || format === "yaml")
      return out(await encodeData(section === "all" ? raw : pages[0]!.page.data, format));
    const told = pages.filter(({ page }) => page.rows.length > 0);
    told.forEach(({ page }, n) => {
      if (n > 0) out("\n");
      out(table(page.header, page.rows, { headers: flags.noHeaders !== true, bold: this.style.bold }));
    });
    if (told.length === 0)
      this.process.stderr.write(`No ${section === "all" ? "configuration" : section} found.\n`);
    for (const { page } of pages)
      for (const { name, error } of page.refused)
        this.process.stderr.write(`${this.talk.red(`the proxy refuses ${name}`)}: ${error}\n`);
  };
}
