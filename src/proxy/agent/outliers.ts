/** Sweeps: endpoints whose ejection is over come back, every interval of their cluster. */
import type { Clock, Timer } from "../../base/index.ts";
import { endpointWord, type OutlierConfig } from "../config/index.ts";
import { returnEndpoint, sweepOutliers } from "../data/outlier/index.ts";
import type { ResourceState } from "./state.ts";

interface Sweep {
  readonly intervalMs: number;
  readonly timer: Timer;
}

export class OutlierSweeps {
  private readonly sweeps = new Map<string, Sweep>();
  private readonly clock: Clock;
  private readonly words: Int32Array;
  private readonly state: ResourceState;
  private readonly onReturn: (cluster: string, endpoint: string) => void;

  constructor(options: {
    readonly clock: Clock;
    readonly words: Int32Array;
    readonly state: ResourceState;
    readonly onReturn: (cluster: string, endpoint: string) => void;
  }) {
    this.clock = options.clock;
    this.words = options.words;
    this.state = options.state;
    this.onReturn = options.onReturn;
  }

  /** The cluster came, changed or left. Its interval goes on where it stayed the same. */
  update(cluster: string): void {
    const outlier = this.state.clusters.get(cluster)?.config.outlier;
    const running = this.sweeps.get(cluster);
    if (running && outlier?.intervalMs === running.intervalMs) return;
    running?.timer.cancel();
    this.sweeps.delete(cluster);
    if (!outlier) this.returnAll(cluster);
    else
      this.sweeps.set(cluster, {
        intervalMs: outlier.intervalMs,
        timer: this.clock.every(outlier.intervalMs, () => this.sweep(cluster)),
      });
  }

  stop(): void {
    for (const { timer } of this.sweeps.values()) timer.cancel();
    this.sweeps.clear();
  }

  private sweep(cluster: string): void {
    const outlier: OutlierConfig | undefined = this.state.clusters.get(cluster)?.config.outlier;
    const slot = this.state.clusterSlot(cluster);
    const endpoints = this.state.endpointsOf(cluster)?.endpoints;
    if (!outlier || slot === undefined || !endpoints) return;
    const slots = endpoints.map((e) => e.slot);
    const back = new Set(sweepOutliers(this.words, outlier, slot, slots, this.clock.wall()));
    for (const e of endpoints) if (back.has(e.slot)) this.onReturn(cluster, e.address);
  }

  /** The detector is gone, so nobody would bring them back. */
  private returnAll(cluster: string): void {
    const slot = this.state.clusterSlot(cluster);
    if (slot === undefined) return;
    for (const e of this.state.endpointsOf(cluster)?.endpoints ?? []) {
      if (Atomics.load(this.words, e.slot + endpointWord.ejected) === 0) continue;
      returnEndpoint(this.words, slot, e.slot);
      this.onReturn(cluster, e.address);
    }
  }
}
