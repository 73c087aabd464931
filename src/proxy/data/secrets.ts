/** Certificates and trust bundles by name, in memory only; users are told of changes. */
import type { Clock } from "../../base/index.ts";
import type { SecretChange } from "../config/index.ts";

export class Secrets {
  readonly clock: Clock;
  private readonly table = new Map<string, SecretChange>();
  private readonly followers = new Map<string, Set<() => void>>();

  private readonly onBad: (error: unknown) => void;

  /** `onBad` hears of followers that could not use what they were given; they keep what they had. */
  constructor(clock: Clock, onBad: (error: unknown) => void) {
    this.clock = clock;
    this.onBad = onBad;
  }

  get(name: string): SecretChange | undefined {
    return this.table.get(name);
  }

  set(change: SecretChange): void {
    this.table.set(change.name, change);
    for (const told of this.followers.get(change.name) ?? []) this.tell(told);
  }

  /** One that throws does not keep the news from the others. */
  tell(told: () => void): void {
    try {
      told();
    } catch (error) {
      this.onBad(error);
    }
  }

  /** Followers of a name. */
  following(name: string): number {
    return this.followers.get(name)?.size ?? 0;
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
      for (const [name, set] of this.followers)
        if (set.delete(told) && set.size === 0) this.followers.delete(name);
    };
  }
}
