/** Parts of a mesh that are as they were are the same objects as before: what rests on them need not be made again. */
import { sameJson } from "../../base/index.ts";
import type { Mesh, Service } from "../model/index.ts";

/** `now` with all that equals `before` taken from there; `before` itself where nothing changed. */
export function keepSame(before: Mesh | undefined, now: Mesh): Mesh {
  if (before === undefined) return now;
  const services = keepList(before.services, now.services, (s) => s.host, keepService);
  const workloads = keepList(before.workloads, now.workloads, (w) => w.key);
  const others = (Object.keys(now) as (keyof Mesh)[]).filter((k) => k !== "services" && k !== "workloads");
  const rest = Object.fromEntries(others.map((k) => [k, sameJson(before[k], now[k]) ? before[k] : now[k]]));
  const kept: Mesh = { ...now, ...rest, services, workloads };
  const same = (Object.keys(kept) as (keyof Mesh)[]).every((k) => kept[k] === before[k]);
  return same && Object.keys(before).length === Object.keys(kept).length ? before : kept;
}

/** The list before, where all its elements are as they were. */
function keepList<T>(
  before: readonly T[],
  now: readonly T[],
  keyOf: (value: T) => string,
  partly: (before: T, now: T) => T = (_, value) => value,
): readonly T[] {
  const known = new Map(before.map((value) => [keyOf(value), value]));
  let same = before.length === now.length;
  const kept = now.map((value, i) => {
    const old = known.get(keyOf(value));
    const one = old === undefined ? value : sameJson(old, value) ? old : partly(old, value);
    same &&= one === before[i];
    return one;
  });
  return same ? before : kept;
}

/** A service that changed has ports that did not. */
function keepService(before: Service, now: Service): Service {
  const ports = keepList(before.ports, now.ports, (p) => `${p.port}`);
  return { ...now, ports };
}
