import type { Rng } from "../../../base/index.ts";

/** What a picker needs to know of an endpoint. */
export interface Candidate {
  readonly weight: number;
  /** Block in the shared table: active requests of all threads. */
  readonly slot: number;
}

export interface Picker<T extends Candidate> {
  pick(): T;
}

export interface PickerOptions {
  readonly rng: Rng;
  readonly table: Int32Array;
  readonly choiceCount: number;
}
