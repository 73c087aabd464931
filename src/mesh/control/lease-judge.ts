/**
 * Which instances are silent. A lease is judged by when this process last saw it change, never by its timestamps:
 * clocks differ, and a control plane that was away has not been watching. Pure: `now` is given.
 */
import { limits } from "./limits.ts";

interface Seen {
  /** Anything that changes with each renewal. */
  mark: string;
  at: number;
}

export interface LeaseVerdict {
  /** Keys of leases that ran out. */
  readonly expired: ReadonlySet<string>;
  /** When to judge again, in ms on the same clock; undefined: nothing to wait for. */
  readonly nextAt: number | undefined;
  /** Over half fell silent at once: nobody is withdrawn for now. */
  readonly doubted: boolean;
}

export class LeaseJudge {
  private readonly seen = new Map<string, Seen>();
  private expired: ReadonlySet<string> = new Set();
  private readonly startedAt: number;
  private doubtSince: number | undefined;

  /** `startedAt`: when watching began. */
  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }

  /** The lease is there, in this state. Those that no instance names (leader elections) do not count. */
  observe(key: string, mark: string, now: number): void {
    const seen = this.seen.get(key);
    if (seen === undefined || seen.mark === mark) return;
    seen.mark = mark;
    seen.at = now;
  }

  /** An instance names the lease; where it is not there (yet), its silence begins now. */
  expect(key: string, now: number): void {
    if (!this.seen.has(key)) this.seen.set(key, { mark: "", at: now });
  }

  /** Nobody names it any more. */
  forget(key: string): void {
    this.seen.delete(key);
  }

  /**
   * `watchingSince`: since when renewals are seen without a gap; undefined while they are not, and then nobody new is
   * withdrawn. After a gap, as after a start, a full grace is given: those who could not be heard could not renew.
   */
  judge(now: number, watchingSince: number | undefined): LeaseVerdict {
    const watching = watchingSince !== undefined;
    const graceEnds = Math.max(this.startedAt, watchingSince ?? this.startedAt) + limits.leaseGraceMs;
    const silent = new Set<string>();
    let nextAt: number | undefined;
    const consider = (at: number): void => {
      if (at > now && (nextAt === undefined || at < nextAt)) nextAt = at;
    };
    for (const [key, { at }] of this.seen) {
      const ends = Math.max(at + limits.leaseSilentMs, graceEnds);
      if (ends <= now) silent.add(key);
      else consider(ends);
    }
    const still = new Set([...this.expired].filter((key) => silent.has(key)));
    const fresh = [...silent].filter((key) => !still.has(key));
    const doubted = fresh.length > 0 && (!watching || this.doubt(fresh.length, still.size, now));
    if (!doubted) {
      this.doubtSince = undefined;
      this.expired = silent;
    } else {
      this.expired = still;
      consider(
        watching && this.doubtSince !== undefined ? this.doubtSince + limits.leaseDoubtMs : now + 1000,
      );
    }
    return { expired: this.expired, nextAt, doubted };
  }

  /** Of the leases that were live until now over half (and more than one) would go at once. */
  private doubt(fresh: number, still: number, now: number): boolean {
    const live = this.seen.size - still;
    if (fresh < 2 || fresh * 2 <= live) return false;
    this.doubtSince ??= now;
    return now - this.doubtSince < limits.leaseDoubtMs;
  }
}
