/** RFC 7396 merge patches: computing one from three states, as `kubectl apply` does. Pure. */
import { sameJson } from "../../base/index.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

const isObject = (v: unknown): v is JsonObject => typeof v === "object" && v !== null && !Array.isArray(v);

/**
 * The patch that brings `current` to `wanted`, and removes what `last` (what was applied before) had and
 * `wanted` has no more. What others added stays. Undefined: nothing to do.
 */
export function threeWayPatch(last: unknown, wanted: unknown, current: unknown): unknown {
  const patch: Record<string, unknown> = {};
  const [before, want, now] = [last, wanted, current].map((v) => (isObject(v) ? v : {})) as [
    JsonObject,
    JsonObject,
    JsonObject,
  ];
  for (const [key, value] of Object.entries(want)) {
    if (value === null) {
      if (Object.hasOwn(now, key)) patch[key] = null;
    } else if (isObject(value) && isObject(now[key])) {
      const inner = threeWayPatch(before[key], value, now[key]);
      if (inner !== undefined) patch[key] = inner;
    } else if (!sameJson(value, now[key])) patch[key] = value;
  }
  for (const key of Object.keys(before))
    if (!Object.hasOwn(want, key) && Object.hasOwn(now, key)) patch[key] = null;
  return Object.keys(patch).length === 0 ? undefined : patch;
}
