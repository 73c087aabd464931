/** Load balancers. To add one: a file here and a line in `pickers`. */
import type { Rng } from "../../../base/index.ts";
import type { ClusterConfig } from "../../config/index.ts";
import { leastRequest } from "./least-request.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";
import type { Candidate, Picker } from "./types.ts";

export { chooseTier, type Tier, tiers } from "./priority.ts";
export type { Candidate, Picker } from "./types.ts";

const pickers = { round_robin: roundRobin, least_request: leastRequest, random } as const;

/** A picker over a fixed, non-empty list; a changed list gets a new picker. */
export function createPicker<T extends Candidate>(
  config: Pick<ClusterConfig, "lb" | "choiceCount">,
  hosts: readonly T[],
  options: { readonly rng: Rng; readonly table: Int32Array },
): Picker<T> {
  return pickers[config.lb](hosts, { ...options, choiceCount: config.choiceCount });
}
