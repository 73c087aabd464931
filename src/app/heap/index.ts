/**
 * A sidecar's heap stays small. JavaScriptCore lets garbage grow by what it takes the machine's memory to be; told
 * that there is little, it collects sooner. Measured under load with one data thread: 88 MB resident became 68, CPU
 * a request unchanged (the garbage then fits the cache). The engine reads this at start only, so the process
 * executes itself once more with it, in the same process id, before anything is loaded.
 */
const variable = "BUN_JSC_forceRAMSize";

/** What the heap's growth is reckoned by. It bounds nothing: a large configuration still gets its memory. */
export const heapBasisBytes = 32 * 1024 * 1024;

/**
 * How the heap grows and when all of it is looked at. Told of little memory the engine lets garbage grow by a quarter
 * of what lives, and holds that for so little that every second collection is a whole one, which cost 1.5 us a
 * request; with this share it mostly looks at what is young. A smaller share lets garbage grow old, without an end
 * (docs/decisions/0014).
 */
export const heapSettings: Readonly<Record<string, string>> = {
  [variable]: `${heapBasisBytes}`,
  BUN_JSC_minEdenToOldGenerationRatio: "0.1",
  BUN_JSC_smallHeapGrowthFactor: "1.15",
  BUN_JSC_mediumHeapGrowthFactor: "1.15",
  BUN_JSC_largeHeapGrowthFactor: "1.15",
};

/** Commands that are a sidecar. The others (control plane, tools) gain from a heap that grows freely. */
const sidecars: ReadonlySet<string> = new Set(["proxy", "run"]);

export interface Self {
  readonly execPath: string;
  /** As process.argv: executable, script, words. */
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One executable: its script is inside and not named. */
  readonly compiled: boolean;
}

/** How to execute this program again, undefined where it shall go on as it is. */
export function again(self: Self): { argv: string[]; env: Record<string, string> } | undefined {
  const [, script, ...words] = self.argv;
  if (script === undefined || !sidecars.has(words[0] ?? "") || self.env[variable] !== undefined)
    return undefined;
  const env: Record<string, string> = { ...heapSettings };
  for (const [name, value] of Object.entries(self.env)) if (value !== undefined) env[name] = value;
  const before = self.compiled ? [] : [...self.execArgv, script];
  return { argv: [self.execPath, ...before, ...words], env };
}

type Execve = (path: string, argv: readonly string[], env: Readonly<Record<string, string>>) => never;

/** Executes a sidecar's process again where that is due. Its children do not inherit the setting. */
export function boundHeap(compiled: boolean): void {
  const { execPath, argv, execArgv, env } = process;
  const next = again({ execPath, argv, execArgv, env, compiled });
  if (next === undefined) {
    for (const name of Object.keys(heapSettings)) delete env[name];
    return;
  }
  const { execve } = process as { execve?: Execve };
  execve?.call(process, execPath, next.argv, next.env);
}
