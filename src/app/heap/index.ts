/**
 * A sidecar's heap stays small. JavaScriptCore lets garbage grow by what it takes the machine's memory to be; told
 * that there is little, it collects sooner. Measured under load with one data thread: 88 MB resident became 68, CPU
 * a request unchanged (the garbage then fits the cache). The engine reads this at start only, so the process
 * executes itself once more with it, in the same process id, before anything is loaded.
 */
const variable = "BUN_JSC_forceRAMSize";

/** What the heap's growth is reckoned by. It bounds nothing: a large configuration still gets its memory. */
export const heapBasisBytes = 32 * 1024 * 1024;

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
  const env: Record<string, string> = { [variable]: `${heapBasisBytes}` };
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
    delete env[variable];
    return;
  }
  const { execve } = process as { execve?: Execve };
  execve?.call(process, execPath, next.argv, next.env);
}
