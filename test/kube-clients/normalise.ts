/** Takes out of a result what differs between any two runs: times, identities, versions, allotted addresses. */

export interface Names {
  readonly namespace: string;
  readonly server: string;
}

const patterns: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-(?!0{12})[0-9a-f]{12}\b/g, "<uid>"],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, "<time>"],
  [/\b(\w{3}, )?\d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, "<time>"],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "<token>"],
  // Addresses of Services: both servers allot from 10.96.0.0/16 by default. One that a row names stays.
  [/\b10\.96\.(?!250\.250\b)\d+\.\d+\b/g, "<cluster-ip>"],
  [/\bgen-[a-z0-9]{5}\b/g, "gen-<suffix>"],
  // Ages, where they stand alone between blanks.
  [/(?<=^|\s{2})\d+(?:\.\d+)?(?:s|m|h|d)(?:\d+[smh])?(?=\s|$)/gm, "<age>"],
  [/(resource ?version"?: *"?)\d+/gi, "$1<rv>"],
];

/** A copy in which every run looks the same. */
export function normalise(value: unknown, names: Names): unknown {
  if (typeof value === "string") return text(value, names);
  if (Array.isArray(value)) return value.map((item) => normalise(item, names));
  if (value === null || typeof value !== "object") return value;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    const field = (value as Record<string, unknown>)[key];
    if (key === "managedFields" || key === "run") {
      if (key === "run") out[key] = field;
      continue;
    }
    const name = text(key, names);
    if (key === "serverAddress") out[name] = "<server>";
    else if (key === "resourceVersion" && typeof field === "string") out[name] = field === "" ? "" : "<rv>";
    else out[name] = normalise(field, names);
  }
  return out;
}

function text(value: string, { namespace, server }: Names): string {
  let result = value.replaceAll(server, "<server>").replaceAll(namespace, "<ns>");
  for (const [pattern, by] of patterns) result = result.replace(pattern, by);
  return result;
}
