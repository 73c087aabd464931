/** Certificates and trust bundles by name, in memory only; users are told of changes. */
import type { Clock } from "../../base/index.ts";
import type { SecretChange } from "../config/index.ts";

export class Secrets {
  readonly clock: Clock;
  private readonly table = new Map<string, SecretChange>();
  private readonly followers = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get(name: string): SecretChange | undefined {
    return this.table.get(name);
  }

  set(change: SecretChange): void {
    this.table.set(change.name, change);
    for (const told of this.followers.get(change.name) ?? []) told();
  }

  /** Calls `told` when one of the names changes. */
  follow(names: readonly (string | undefined)[], told: () => void): () => void {
    for (const name of names) {
      if (name === undefined) continue;
      const set = this.followers.get(name) ?? new Set();
      set.add(told);
      this.followers.set(name, set);
    }
    return () => {
      for (const set of this.followers.values()) set.delete(told);
    };
  }
}
