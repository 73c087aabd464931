/** Rules as users write them: flags, and Istio's annotations. */
import { isIP } from "node:net";
import { parseCidr } from "../../wire/ip/index.ts";
import { exitStatus, Problem } from "../problem/index.ts";
import { type CaptureRules, defaultRules, type Selection } from "./rules.ts";

/** Lists by comma; `*` where everything may be meant. */
export interface RuleFlags {
  readonly includeOutboundIpRanges?: string;
  readonly excludeOutboundIpRanges?: string;
  readonly includeOutboundPorts?: string;
  readonly excludeOutboundPorts?: string;
  readonly includeInboundPorts?: string;
  readonly excludeInboundPorts?: string;
  readonly includeUids?: string;
  readonly excludeUids?: string;
  readonly excludeInterfaces?: string;
}

/** Istio's annotation of a pod -> the flag that says the same. */
export const annotationFlags: Readonly<Record<string, keyof RuleFlags>> = {
  "traffic.sidecar.istio.io/includeOutboundIPRanges": "includeOutboundIpRanges",
  "traffic.sidecar.istio.io/excludeOutboundIPRanges": "excludeOutboundIpRanges",
  "traffic.sidecar.istio.io/includeOutboundPorts": "includeOutboundPorts",
  "traffic.sidecar.istio.io/excludeOutboundPorts": "excludeOutboundPorts",
  "traffic.sidecar.istio.io/includeInboundPorts": "includeInboundPorts",
  "traffic.sidecar.istio.io/excludeInboundPorts": "excludeInboundPorts",
  "traffic.sidecar.istio.io/excludeInterfaces": "excludeInterfaces",
};

/** Most values of one list. */
export const maxListed = 1000;

const flagName = (key: string): string => `--${key.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

function wrong(from: string, value: string, wanted: string): never {
  throw new Problem(`${from}: ${JSON.stringify(value)} is ${wanted}`, { exit: exitStatus.usage });
}

function list<T>(from: string, text: string | undefined, read: (word: string) => T): readonly T[] {
  const words = (text ?? "").split(",").map((w) => w.trim());
  const given = words.filter((w) => w !== "");
  if (given.length > maxListed) wrong(from, `${given.length} values`, `more than ${maxListed}`);
  return [...new Set(given.map(read))];
}

function selection<T>(
  from: string,
  text: string | undefined,
  silent: Selection<T>,
  read: (word: string) => T,
): Selection<T> {
  if (text === undefined) return silent;
  return text.trim() === "*" ? "*" : list(from, text, read);
}

function reader(low: number, high: number, wanted: string) {
  return (from: string) => (word: string) => {
    const n = /^\d{1,10}$/.test(word) ? Number(word) : -1;
    return n >= low && n <= high ? n : wrong(from, word, wanted);
  };
}

const port = reader(1, 65_535, "no port: 1 to 65535");
const uid = reader(0, 2 ** 32 - 2, "no user id");

const cidr = (from: string) => (word: string) => {
  if (parseCidr(word) !== undefined)
    return isIP(word) === 0 ? word : `${word}/${word.includes(":") ? 128 : 32}`;
  return wrong(from, word, "no address range such as 10.0.0.0/8");
};

const device = (from: string) => (word: string) =>
  /^[\w.@-]{1,15}$/.test(word) ? word : wrong(from, word, "no name of a network interface");

/** `name`: how the user said each one. */
export function rulesFrom(
  flags: RuleFlags,
  base: CaptureRules = defaultRules,
  name: (key: keyof RuleFlags) => string = flagName,
): CaptureRules {
  const n = (key: keyof RuleFlags): [string, string | undefined] => [name(key), flags[key]];
  const numbers = (key: keyof RuleFlags, read: typeof port) => list(...n(key), read(name(key)));
  return {
    ...base,
    includeCidrs: selection(
      ...n("includeOutboundIpRanges"),
      base.includeCidrs,
      cidr(name("includeOutboundIpRanges")),
    ),
    excludeCidrs: [
      ...base.excludeCidrs,
      ...list(...n("excludeOutboundIpRanges"), cidr(name("excludeOutboundIpRanges"))),
    ],
    includeOutboundPorts: [...base.includeOutboundPorts, ...numbers("includeOutboundPorts", port)],
    excludeOutboundPorts: [...base.excludeOutboundPorts, ...numbers("excludeOutboundPorts", port)],
    includeInboundPorts: selection(
      ...n("includeInboundPorts"),
      base.includeInboundPorts,
      port(name("includeInboundPorts")),
    ),
    excludeInboundPorts: [...base.excludeInboundPorts, ...numbers("excludeInboundPorts", port)],
    includeUids: selection(...n("includeUids"), base.includeUids, uid(name("includeUids"))),
    excludeUids: [...base.excludeUids, ...numbers("excludeUids", uid)],
    excludeInterfaces: [
      ...base.excludeInterfaces,
      ...list(...n("excludeInterfaces"), device(name("excludeInterfaces"))),
    ],
  };
}

/** The downward API's file: `key="value"` a line, escaped as Go quotes. Other annotations are not ours to judge. */
export function annotationsFrom(text: string): RuleFlags {
  const flags: Partial<Record<keyof RuleFlags, string>> = {};
  for (const line of text.split("\n")) {
    const [, key = "", quoted = ""] = /^([^=\s]+)=(".*")$/.exec(line.trim()) ?? [];
    const flag = Object.hasOwn(annotationFlags, key) ? annotationFlags[key] : undefined;
    if (flag === undefined) continue;
    try {
      flags[flag] = String(JSON.parse(quoted));
    } catch {
      wrong(key, quoted, "not quoted as the downward API does it");
    }
  }
  return flags;
}

/** How messages name an annotation's value. */
export function annotationName(key: keyof RuleFlags): string {
  return Object.entries(annotationFlags).find(([, flag]) => flag === key)?.[0] ?? flagName(key);
}
