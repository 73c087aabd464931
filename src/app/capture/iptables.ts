/** The rules for iptables, where there is no nft: chains of our own in the nat table, and one jump to each. */
import { type CaptureRules, isV6, ownInboundPorts, passthroughSources } from "./rules.ts";

export type Family = "v4" | "v6";

export const chains = {
  output: "WEFT_OUTPUT",
  prerouting: "WEFT_PREROUTING",
  captured: "WEFT_CAPTURED",
  excluded: "WEFT_EXCLUDED",
} as const;

/** Programs of a family. */
export const programs = {
  v4: { rules: "iptables", restore: "iptables-restore" },
  v6: { rules: "ip6tables", restore: "ip6tables-restore" },
} as const;

/** Built-in chain and the jump from it. */
export const jumps = [
  ["OUTPUT", chains.output],
  ["PREROUTING", chains.prerouting],
] as const;

interface Words {
  readonly loopback: string;
  readonly passthrough: string;
  readonly fits: (cidr: string) => boolean;
}

const words: Readonly<Record<Family, Words>> = {
  v4: { loopback: "127.0.0.0/8", passthrough: `${passthroughSources.v4}/32`, fits: (c) => !isV6(c) },
  v6: { loopback: "::1/128", passthrough: `${passthroughSources.v6}/128`, fits: isV6 },
};

/** At most so many ports in one multiport match. */
const portsAtOnce = 15;

function byPorts(ports: readonly number[], target: string, chain: string): string[] {
  const lines: string[] = [];
  for (let i = 0; i < ports.length; i += portsAtOnce)
    lines.push(
      `-A ${chain} -p tcp -m multiport --dports ${ports.slice(i, i + portsAtOnce).join(",")} ${target}`,
    );
  return lines;
}

const to = (port: number): string => `-j REDIRECT --to-ports ${port}`;

/** For `iptables-restore --noflush`: what our chains held before is replaced, other chains are not touched. */
export function iptablesInstall(rules: CaptureRules, family: Family): string {
  const names = Object.values(chains).map((c) => `:${c} - [0:0]`);
  const lines = [
    ...output(rules, words[family]),
    ...captured(rules, words[family]),
    ...prerouting(rules),
    ...excluded(rules, words[family]),
  ];
  return `${["*nat", ...names, ...lines, "COMMIT"].join("\n")}\n`;
}

function output(rules: CaptureRules, { loopback, passthrough }: Words): string[] {
  const { proxyUid, proxyGid, inboundPort, includeUids } = rules;
  const a = `-A ${chains.output}`;
  const go = `-g ${chains.excluded}`;
  const who = [
    ...(proxyUid === undefined ? [] : [`-m owner --uid-owner ${proxyUid}`]),
    ...(proxyGid === undefined ? [] : [`-m owner --gid-owner ${proxyGid}`]),
  ];
  const self = (match: string): string[] => [
    ...byPorts(ownInboundPorts, `${match} -o lo -j RETURN`, chains.output),
    `${a} ${match} -o lo ! -d ${loopback} -p tcp ${to(inboundPort)}`,
  ];
  return [
    `${a} -o lo -s ${passthrough} -j RETURN`,
    ...who.flatMap((m) => [...(inboundPort === 0 ? [] : self(m)), `${a} ${m} ${go}`]),
    ...rules.excludeUids.map((uid) => `${a} -m owner --uid-owner ${uid} ${go}`),
    ...(includeUids === "*"
      ? [`${a} -g ${chains.captured}`]
      : [
          ...includeUids.map((uid) => `${a} -m owner --uid-owner ${uid} -g ${chains.captured}`),
          `${a} ${go}`,
        ]),
  ];
}

/** Of the users that are meant. */
function captured(rules: CaptureRules, { loopback, fits }: Words): string[] {
  const { dnsPort, outboundPort, includeCidrs } = rules;
  const a = `-A ${chains.captured}`;
  const go = `-g ${chains.excluded}`;
  return [
    ...rules.excludeInterfaces.map((i) => `${a} -o ${i} -j RETURN`),
    ...(dnsPort === 0 ? [] : ["udp", "tcp"].map((p) => `${a} -p ${p} --dport 53 ${to(dnsPort)}`)),
    `${a} -o lo -d ${loopback} -j RETURN`,
    ...byPorts(rules.excludeOutboundPorts, go, chains.captured),
    ...rules.excludeCidrs.filter(fits).map((c) => `${a} -d ${c} ${go}`),
    ...(includeCidrs === "*"
      ? [`${a} -p tcp ${to(outboundPort)}`]
      : [
          ...byPorts(rules.includeOutboundPorts, to(outboundPort), chains.captured),
          ...includeCidrs.filter(fits).map((c) => `${a} -d ${c} -p tcp ${to(outboundPort)}`),
          `${a} ${go}`,
        ]),
  ];
}

function prerouting(rules: CaptureRules): string[] {
  const { inboundPort, includeInboundPorts: include, excludeInboundPorts } = rules;
  if (inboundPort === 0) return [];
  const a = `-A ${chains.prerouting}`;
  const own = [...new Set([inboundPort, ...ownInboundPorts, ...excludeInboundPorts])];
  return [
    `${a} -i lo -j RETURN`,
    ...rules.excludeInterfaces.map((i) => `${a} -i ${i} -j RETURN`),
    ...byPorts(own, "-j RETURN", chains.prerouting),
    ...(include === "*"
      ? [`${a} -p tcp ${to(inboundPort)}`]
      : byPorts(include, to(inboundPort), chains.prerouting)),
  ];
}

function excluded({ outside }: CaptureRules, { loopback, fits }: Words): string[] {
  const a = `-A ${chains.excluded}`;
  if (outside === undefined) return [`${a} -j RETURN`];
  return [
    ...(fits("127.66.0.0/16") ? [`${a} -d 127.66.0.0/16 -p tcp ${to(outside.port)}`] : []),
    ...[loopback, ...outside.local.filter(fits)].map((c) => `${a} -d ${c} -j RETURN`),
    `${a} -p tcp ${to(outside.port)}`,
  ];
}
