import { assert } from "../../../base/index.ts";
import type { Candidate, Picker, PickerOptions } from "./types.ts";

/** Each in turn from a random start; with unequal weights smoothly interleaved in their proportion. */
export function roundRobin<T extends Candidate>(hosts: readonly T[], options: PickerOptions): Picker<T> {
  assert(hosts.length > 0, "a picker has hosts");
  const first = hosts[0]!;
  if (hosts.every((h) => h.weight === first.weight)) {
    let next = options.rng.int(hosts.length);
    return {
      pick() {
        if (next >= hosts.length) next = 0;
        return hosts[next++]!;
      },
    };
  }
  return weighted(hosts);
}

/** Smooth weighted round robin: the one most in credit is served and pays the total. */
function weighted<T extends Candidate>(hosts: readonly T[]): Picker<T> {
  const credit = new Float64Array(hosts.length);
  const total = hosts.reduce((sum, h) => sum + h.weight, 0);
  return {
    pick() {
      let best = 0;
      for (let i = 0; i < hosts.length; i++) {
        credit[i]! += hosts[i]!.weight;
        if (credit[i]! > credit[best]!) best = i;
      }
      credit[best]! -= total;
      return hosts[best]!;
    },
  };
}
