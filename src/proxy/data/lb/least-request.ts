import { assert } from "../../../base/index.ts";
import { endpointWord } from "../../config/index.ts";
import type { Candidate, Picker, PickerOptions } from "./types.ts";

/**
 * The least loaded of `choiceCount` random ones (Envoy's least_request); load is active requests of all threads,
 * divided by weight. With as few hosts as choices, all are looked at.
 */
export function leastRequest<T extends Candidate>(hosts: readonly T[], options: PickerOptions): Picker<T> {
  assert(hosts.length > 0, "a picker has hosts");
  const { rng, table } = options;
  const choices = Math.max(2, options.choiceCount);
  const load = (host: T): number => (Atomics.load(table, host.slot + endpointWord.active) + 1) / host.weight;
  return {
    pick() {
      if (hosts.length === 1) return hosts[0]!;
      let best = hosts[rng.int(hosts.length)]!;
      let least = load(best);
      for (let i = 1; i < choices; i++) {
        const other = hosts[rng.int(hosts.length)]!;
        const its = load(other);
        if (its < least) {
          best = other;
          least = its;
        }
      }
      return best;
    },
  };
}
