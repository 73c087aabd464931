/**
 * Linkerd's retry budget (ServiceProfile retryBudget), for the whole process: within a sliding window of `ttl`,
 * retries <= ratio x requests + minPerSecond x ttl. The window has ten slots in a block of the shared table.
 *
 *   word 0        hash of the key, 0: free
 *   words 1..10   epoch of the slot (tick number, modulo 2^30)
 *   words 11..20  requests of the slot
 *   words 21..30  retries of the slot
 */
import { budgetBase, budgetBlocks, budgetWords } from "../config/index.ts";

const windowSlots = 10;
const epochMask = 0x3fff_ffff;

export interface BudgetConfig {
  readonly key: string;
  readonly ratio: number;
  readonly minPerSecond: number;
  readonly ttlMs: number;
}

/** FNV-1a, never 0. */
function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash & 0x7fff_ffff) | 1;
}

/** The key's block; a private one where all shared blocks are taken. */
function claim(table: Int32Array, key: string): { readonly table: Int32Array; readonly base: number } {
  const hash = hashKey(key);
  for (let i = 0; i < budgetBlocks; i++) {
    const base = budgetBase + ((hash + i) % budgetBlocks) * budgetWords;
    const found = Atomics.compareExchange(table, base, 0, hash);
    if (found === 0 || found === hash) return { table, base };
  }
  return { table: new Int32Array(budgetWords), base: 0 };
}

export class RetryBudget {
  private readonly table: Int32Array;
  private readonly base: number;
  private readonly config: BudgetConfig;
  private readonly tickMs: number;

  constructor(table: Int32Array, config: BudgetConfig) {
    ({ table: this.table, base: this.base } = claim(table, config.key));
    this.config = config;
    this.tickMs = config.ttlMs / windowSlots;
  }

  /** Counts a first try. `wall`: milliseconds. */
  deposit(wall: number): void {
    Atomics.add(this.table, this.base + 11 + this.slotAt(wall), 1);
  }

  /** Takes one retry if the window has room for it. */
  withdraw(wall: number): boolean {
    const slot = this.slotAt(wall);
    Atomics.add(this.table, this.base + 21 + slot, 1);
    const epoch = this.epochAt(wall);
    let requests = 0;
    let retries = 0;
    for (let i = 0; i < windowSlots; i++) {
      const age = (epoch - Atomics.load(this.table, this.base + 1 + i)) & epochMask;
      if (age >= windowSlots) continue;
      requests += Atomics.load(this.table, this.base + 11 + i);
      retries += Atomics.load(this.table, this.base + 21 + i);
    }
    const { ratio, minPerSecond, ttlMs } = this.config;
    if (retries <= ratio * requests + minPerSecond * (ttlMs / 1000)) return true;
    Atomics.sub(this.table, this.base + 21 + slot, 1);
    return false;
  }

  private epochAt(wall: number): number {
    return Math.floor(wall / this.tickMs) % (epochMask + 1);
  }

  /** Index of the current slot, emptied if it held an older tick. */
  private slotAt(wall: number): number {
    const epoch = this.epochAt(wall);
    const slot = epoch % windowSlots;
    const at = this.base + 1 + slot;
    const held = Atomics.load(this.table, at);
    if (held !== epoch && Atomics.compareExchange(this.table, at, held, epoch) === held) {
      Atomics.store(this.table, this.base + 11 + slot, 0);
      Atomics.store(this.table, this.base + 21 + slot, 0);
    }
    return slot;
  }
}
