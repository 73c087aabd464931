import type { CliContext } from "../context.ts";
import { encodeData, formatOf } from "../output.ts";

export interface VersionFlags {
  readonly output?: string;
}

/** `weft version`. */
export async function version(this: CliContext, flags: VersionFlags): Promise<void> {
  const format = formatOf(flags.output, ["json", "yaml"]);
  const info = { weft: this.version, bun: Bun.version, platform: `${process.platform}/${process.arch}` };
  this.process.stdout.write(
    format === undefined
      ? `weft ${info.weft} (bun ${info.bun}, ${info.platform})\n`
      : await encodeData(info, format),
  );
}
