/** Durations as Go and protobuf write them: `300ms`, `1.5s`, `1h30m`. */

export type Duration = { readonly ok: true; readonly ms: number } | { readonly ok: false };

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y;

/** Whole milliseconds, rounded up so that a short limit never becomes none. A sign or a missing unit is refused. */
export function parseDuration(text: string): Duration {
  if (text === "0") return { ok: true, ms: 0 };
  let ms = 0;
  let at = 0;
  part.lastIndex = 0;
  for (let m = part.exec(text); m !== null; m = part.exec(text)) {
    ms += Number(m[1]) * unitMs[m[2]!]!;
    at = part.lastIndex;
  }
  if (at === 0 || at !== text.length) return { ok: false };
  return { ok: true, ms: Math.ceil(Math.round(ms * 1e6) / 1e6) };
}
