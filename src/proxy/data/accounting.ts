/** Counting and logging of requests at the connection manager. */
import type { Manager } from "./manager.ts";
import type { StreamInfo } from "./stream-info.ts";

/** A request begins. `counted`: its head was read; false for one that failed before. */
export function beginRequest(manager: Manager, info: StreamInfo, counted: boolean): void {
  const { plane, slots } = manager;
  info.reset(plane.clock.now());
  if (counted) plane.metrics.row[slots.requests]!++;
  plane.metrics.row[slots.active]!++;
}

/** A request is over, one way or the other: call once for each `beginRequest`. */
export function endRequest(manager: Manager, info: StreamInfo): void {
  const { plane } = manager;
  const now = plane.clock.now();
  plane.metrics.row[manager.slots.active]!--;
  const at = Math.floor(info.status / 100);
  if (at >= 1 && at <= 5) plane.metrics.row[manager.classes[at - 1]!]!++;
  plane.telemetry.record(info, manager.direction, plane.principal, now);
  if (manager.accessLogs.length === 0) return;
  info.startWall = plane.clock.wall() - (now - info.start);
  for (const log of manager.accessLogs) log.log(info, now);
}
