/** `weft run --transparent`: everything happens in a namespace of its own, under a second `weft run --captured`. */
import { rulesFrom, startTransparent } from "../../app/capture/index.ts";
import { defaultStateRoot } from "../../app/sidecar/index.ts";
import type { Logger } from "../../base/index.ts";
import type { CliContext } from "../context.ts";
import { stopSignal } from "../signals.ts";
import { openRunSession } from "../upkeep/join.ts";
import { ruleFlags, ruleFlagsOf } from "./flags.ts";
import type { RunFlags } from "./run-flags.ts";

/** Said by the process outside itself. */
const ownFlags: ReadonlySet<string> = new Set([
  "transparent",
  "address",
  "stateDir",
  ...Object.keys(ruleFlags),
]);

const kebab = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** The command line of the process inside. */
export function innerArguments(
  self: readonly string[],
  flags: RunFlags,
  given: { readonly address: string; readonly stateDir: string },
  command: readonly string[],
): readonly string[] {
  const passed = Object.entries(flags).flatMap(([name, value]) =>
    value === undefined || ownFlags.has(name) ? [] : [kebab(name), String(value)],
  );
  const own = ["--captured", "--address", given.address, "--state-dir", given.stateDir];
  return [...self, "run", ...own, ...passed, "--", ...command];
}

export async function runTransparent(
  context: CliContext,
  flags: RunFlags & { readonly service: string; readonly port: number },
  command: readonly string[],
  log: Logger,
): Promise<void> {
  const rules = rulesFrom(ruleFlagsOf(flags));
  const { client, namespace } = await openRunSession(context, flags, log);
  const { service, port, version, address, stateDir } = flags;
  const running = await startTransparent({
    ...{ client, namespace, service, port, rules },
    ...(version !== undefined && { version }),
    ...(address !== undefined && { address }),
    ...(stateDir !== undefined && { stateDir }),
    stateRoot: defaultStateRoot(context.env),
    cwd: context.cwd,
    env: context.env,
    inner: (given) => innerArguments(context.self, flags, given, command),
    ...{ clock: context.clock, rng: context.rng, log },
  });
  const { addresses } = running;
  log.info(`the workload is at ${addresses.v4}, its admin pages on this host at ${addresses.host}:15000`);
  // The second one ends the process inside at once, as it does there.
  const stop = stopSignal(() => running.signal("SIGINT"));
  void stop.first.then((signal) => running.signal(signal));
  context.exit.status = await running.exited;
  stop.end();
}
