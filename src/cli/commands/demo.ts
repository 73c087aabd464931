import { resolve } from "node:path";
import type { CliContext } from "../context.ts";

export interface DemoFlags {
  readonly out?: string;
  readonly without?: string;
  readonly cluster?: string;
}

/** `weft demo`: the story, told by this very program. */
export async function demo(this: CliContext, flags: DemoFlags): Promise<void> {
  const { runDemo } = await this.demo();
  this.exit.status = await runDemo({
    self: this.self,
    ...flags,
    ...(flags.cluster === undefined ? {} : { cluster: resolve(this.cwd, flags.cluster) }),
    stay: this.stdoutIsTerminal,
    color: this.style.enabled,
  });
}

/** `weft demo-app NAME [VERSION]`. */
export async function demoApp(
  this: CliContext,
  _flags: Record<never, never>,
  name: string,
  version = "v1",
): Promise<void> {
  const { runDemoApp } = await this.demo();
  await runDemoApp(name, version);
}
