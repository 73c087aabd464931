/**
 * Blocks in the shared table, by owner: a cluster, or an endpoint of a cluster. An owner that stays keeps its block
 * and so its counts. The block of one that left is given away only once nothing is in flight on it: requests may
 * outlive the configuration they began with.
 */
import { assert } from "../../base/index.ts";
import { budgetBase, clusterWord, clusterWords, endpointWord, endpointWords } from "../config/index.ts";

interface Size {
  readonly words: number;
  /** Words that count what is in flight: all zero, nobody uses the block. */
  readonly inFlight: readonly number[];
}

const sizes = {
  cluster: {
    words: clusterWords,
    inFlight: [clusterWord.connections, clusterWord.pending, clusterWord.requests, clusterWord.retries],
  },
  endpoint: { words: endpointWords, inFlight: [endpointWord.active] },
} as const satisfies Readonly<Record<string, Size>>;

type Kind = keyof typeof sizes;

/** Blocks looked at for reuse before a fresh one is taken. */
const reuseScan = 64;

export class SlotTable {
  readonly words: Int32Array;
  private readonly end: number;
  /** Word 0 is never an owner's, so that a slot is never 0. */
  private next = clusterWords;
  private readonly held = new Map<string, number>();
  private readonly left: Readonly<Record<Kind, Map<string, number>>> = {
    cluster: new Map(),
    endpoint: new Map(),
  };

  /** `limit`: first word that is not to be given away. */
  constructor(words: Int32Array, limit: number = budgetBase) {
    this.words = words;
    this.end = limit;
  }

  /** Slot of the owner's block; undefined when the table is full. */
  take(kind: Kind, owner: string): number | undefined {
    const key = `${kind}\0${owner}`;
    const have = this.held.get(key);
    if (have !== undefined) return have;
    const slot = this.back(kind, key) ?? this.reuse(kind) ?? this.fresh(kind);
    if (slot !== undefined) this.held.set(key, slot);
    return slot;
  }

  /** Slot of an owner that has one. */
  at(kind: Kind, owner: string): number | undefined {
    return this.held.get(`${kind}\0${owner}`);
  }

  /** The owner left the configuration of every thread. */
  free(kind: Kind, owner: string): void {
    const key = `${kind}\0${owner}`;
    const slot = this.held.get(key);
    assert(slot !== undefined, `no slot is held by ${kind} ${owner}`);
    this.held.delete(key);
    this.left[kind].set(key, slot);
  }

  /** Blocks in use. */
  get used(): number {
    return this.held.size;
  }

  /** An owner that returns while its old block still stands gets it back with its counts. */
  private back(kind: Kind, key: string): number | undefined {
    const slot = this.left[kind].get(key);
    if (slot !== undefined) this.left[kind].delete(key);
    return slot;
  }

  private reuse(kind: Kind): number | undefined {
    const { words, inFlight } = sizes[kind];
    let looked = 0;
    for (const [key, slot] of this.left[kind]) {
      if (++looked > reuseScan) return undefined;
      if (inFlight.some((w) => Atomics.load(this.words, slot + w) !== 0)) continue;
      this.left[kind].delete(key);
      for (let i = 0; i < words; i++) Atomics.store(this.words, slot + i, 0);
      return slot;
    }
    return undefined;
  }

  private fresh(kind: Kind): number | undefined {
    const { words } = sizes[kind];
    if (this.next + words > this.end) return undefined;
    const slot = this.next;
    this.next += words;
    return slot;
  }
}
