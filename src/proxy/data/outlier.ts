/**
 * Outlier detection over the shared table. Data threads count results and eject at once; the agent sweeps: it
 * returns endpoints whose time is over and lowers the multiplier of healthy ones. Meaning of fields: Envoy's
 * OutlierDetection.
 */

import type { Clock, Rng } from "../../base/index.ts";
import { clusterWord, ejectionReasons, endpointWord, type OutlierConfig } from "../config/index.ts";

export type EjectionReason = (typeof ejectionReasons)[number];

/** Unit of endpointWord.ejectedAt. */
const tickMs = 16;
const tickMask = 0x7fff_ffff;

export function ejectionTick(wall: number): number {
  return Math.floor(wall / tickMs) % (tickMask + 1);
}

/** What the result of one request says about its endpoint. */
export type Outcome =
  | { readonly kind: "status"; readonly status: number }
  /** No answer of the endpoint: connect failure, reset, time-out. */
  | { readonly kind: "local" };

export interface OutlierTarget {
  /** Blocks in the shared table. */
  readonly clusterSlot: number;
  readonly endpointSlot: number;
  /** Endpoints in the cluster now. */
  readonly hosts: number;
}

/** Counts a result; returns the reason if this very result ejected the endpoint. */
export function recordStatus(
  table: Int32Array,
  config: OutlierConfig,
  target: OutlierTarget,
  status: number,
  now: { readonly clock: Clock; readonly rng: Rng },
): EjectionReason | null {
  const slot = target.endpointSlot;
  if (status < 500) {
    Atomics.store(table, slot + endpointWord.consecutive5xx, 0);
    Atomics.store(table, slot + endpointWord.consecutiveGateway, 0);
    if (config.splitExternalLocalOrigin) Atomics.store(table, slot + endpointWord.consecutiveLocal, 0);
    return null;
  }
  let reason: EjectionReason | null = null;
  if (status >= 502 && status <= 504) {
    const count = Atomics.add(table, slot + endpointWord.consecutiveGateway, 1) + 1;
    if (config.consecutiveGatewayFailure > 0 && count >= config.consecutiveGatewayFailure) {
      Atomics.store(table, slot + endpointWord.consecutiveGateway, 0);
      reason = eject(
        table,
        target,
        config,
        "consecutive_gateway_failure",
        config.enforcingGatewayFailure,
        now,
      );
    }
  } else {
    Atomics.store(table, slot + endpointWord.consecutiveGateway, 0);
  }
  const count = Atomics.add(table, slot + endpointWord.consecutive5xx, 1) + 1;
  if (config.consecutive5xx > 0 && count >= config.consecutive5xx) {
    Atomics.store(table, slot + endpointWord.consecutive5xx, 0);
    reason ??= eject(table, target, config, "consecutive_5xx", config.enforcing5xx, now);
  }
  return reason;
}

/** A failure without an answer. Unsplit, Envoy counts it as 503 (504 for a time-out: the same detectors). */
export function recordLocalFailure(
  table: Int32Array,
  config: OutlierConfig,
  target: OutlierTarget,
  now: { readonly clock: Clock; readonly rng: Rng },
): EjectionReason | null {
  if (!config.splitExternalLocalOrigin) return recordStatus(table, config, target, 503, now);
  const word = target.endpointSlot + endpointWord.consecutiveLocal;
  const count = Atomics.add(table, word, 1) + 1;
  if (config.consecutiveLocalOriginFailure === 0 || count < config.consecutiveLocalOriginFailure) return null;
  Atomics.store(table, word, 0);
  return eject(table, target, config, "consecutive_local_origin_failure", config.enforcingLocalOrigin, now);
}

/** Ejects under max_ejection_percent: (ejected + 1) / hosts may not exceed it. The slot is taken by compare-exchange. */
function eject(
  table: Int32Array,
  target: OutlierTarget,
  config: OutlierConfig,
  reason: EjectionReason,
  enforcing: number,
  now: { readonly clock: Clock; readonly rng: Rng },
): EjectionReason | null {
  const { clusterSlot, endpointSlot } = target;
  if (Atomics.load(table, endpointSlot + endpointWord.ejected) !== 0) return null;
  if (enforcing < 100 && now.rng.int(100) >= enforcing) return null;
  for (;;) {
    const ejected = Atomics.load(table, clusterSlot + clusterWord.ejected);
    if ((ejected + 1) * 100 > config.maxEjectionPercent * target.hosts) {
      Atomics.add(table, clusterSlot + clusterWord.ejectionsOverflow, 1);
      return null;
    }
    if (Atomics.compareExchange(table, clusterSlot + clusterWord.ejected, ejected, ejected + 1) === ejected)
      break;
  }
  if (Atomics.compareExchange(table, endpointSlot + endpointWord.ejected, 0, 1) !== 0) {
    Atomics.sub(table, clusterSlot + clusterWord.ejected, 1);
    return null;
  }
  Atomics.store(table, endpointSlot + endpointWord.ejectedAt, ejectionTick(now.clock.wall()));
  Atomics.store(table, endpointSlot + endpointWord.reason, ejectionReasons.indexOf(reason));
  Atomics.add(table, endpointSlot + endpointWord.ejections, 1);
  Atomics.add(table, clusterSlot + clusterWord.ejectionsTotal, 1);
  Atomics.add(table, clusterSlot + clusterWord.epoch, 1);
  return reason;
}

/**
 * One sweep over a cluster's endpoints, every config.intervalMs on the agent (Envoy's interval timer): returns the
 * endpoint slots that came back. An endpoint is out for base x times ejected, at most maxEjectionMs.
 */
export function sweepOutliers(
  table: Int32Array,
  config: OutlierConfig,
  clusterSlot: number,
  endpointSlots: readonly number[],
  wall: number,
): number[] {
  const back: number[] = [];
  const now = ejectionTick(wall);
  for (const slot of endpointSlots) {
    const times = Atomics.load(table, slot + endpointWord.ejections);
    if (Atomics.load(table, slot + endpointWord.ejected) === 0) {
      if (times > 0) Atomics.sub(table, slot + endpointWord.ejections, 1);
      continue;
    }
    const at = Atomics.load(table, slot + endpointWord.ejectedAt);
    const age = (now - at) & tickMask;
    // Half the range ahead: the wall clock was set back; the time out begins anew.
    if (age > tickMask / 2) {
      Atomics.store(table, slot + endpointWord.ejectedAt, now);
      continue;
    }
    const out = Math.min(config.baseEjectionMs * Math.max(1, times), config.maxEjectionMs);
    if (age * tickMs < out) continue;
    returnEndpoint(table, clusterSlot, slot);
    back.push(slot);
  }
  return back;
}

/** Puts an endpoint back: at its sweep, or when it or its detector leaves the configuration. */
export function returnEndpoint(table: Int32Array, clusterSlot: number, endpointSlot: number): void {
  if (Atomics.compareExchange(table, endpointSlot + endpointWord.ejected, 1, 0) !== 1) return;
  Atomics.store(table, endpointSlot + endpointWord.consecutive5xx, 0);
  Atomics.store(table, endpointSlot + endpointWord.consecutiveGateway, 0);
  Atomics.store(table, endpointSlot + endpointWord.consecutiveLocal, 0);
  Atomics.store(table, endpointSlot + endpointWord.reason, 0);
  Atomics.sub(table, clusterSlot + clusterWord.ejected, 1);
  Atomics.add(table, clusterSlot + clusterWord.epoch, 1);
}
