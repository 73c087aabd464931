import { assert } from "../../../base/index.ts";
import type { Candidate, Picker, PickerOptions } from "./types.ts";

/** Uniform, or in proportion to the weights. */
export function random<T extends Candidate>(hosts: readonly T[], options: PickerOptions): Picker<T> {
  assert(hosts.length > 0, "a picker has hosts");
  const { rng } = options;
  if (hosts.every((h) => h.weight === hosts[0]!.weight)) return { pick: () => hosts[rng.int(hosts.length)]! };
  const total = hosts.reduce((sum, h) => sum + h.weight, 0);
  return {
    pick() {
      let at = rng.float() * total;
      for (const host of hosts) {
        at -= host.weight;
        if (at < 0) return host;
      }
      return hosts[hosts.length - 1]!;
    },
  };
}
