import type { BootstrapResult } from "./types.ts";

export { compileArgument, compileToStdout } from "./compile-child.ts";
export {
  type Standalone,
  type StandaloneOptions,
  type StandaloneResult,
  startStandalone,
} from "./standalone.ts";
export type { BootstrapProblem, BootstrapResult, CompiledBootstrap } from "./types.ts";

/** An Envoy v3 bootstrap text, YAML or JSON, compiled; unsupported fields are errors with path and position. */
export async function loadBootstrap(text: string, file: string): Promise<BootstrapResult> {
  const { parseBootstrap } = await import("./load.ts");
  return parseBootstrap(text, file);
}
