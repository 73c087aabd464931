/** The rules as nftables text: one table of our own, replaced in one transaction. */
import { type CaptureRules, isV6, ownInboundPorts, passthroughSources } from "./rules.ts";

export const nftTable = "inet weft_capture";

/** For `nft -f -`: takes the rules away, whether they are there or not. */
export const nftUninstall = `table ${nftTable}\ndelete table ${nftTable}\n`;

/** For `nft -f -`: replaces what a run before has installed; other tables are not touched. */
export function nftInstall(rules: CaptureRules): string {
  const chains = [output(rules), prerouting(rules), excluded(rules), refusals(rules)];
  return `${nftUninstall}table ${nftTable} {\n${chains.filter((c) => c !== "").join("\n")}}\n`;
}

function chain(name: string, hook: string, lines: readonly string[]): string {
  const body = [...(hook === "" ? [] : [hook]), ...lines];
  return `\tchain ${name} {\n${body.map((l) => `\t\t${l}\n`).join("")}\t}\n`;
}

const set = (values: readonly (string | number)[]): string => `{ ${values.join(", ")} }`;

/** One match a family that there are addresses of. */
function toAddresses(cidrs: readonly string[], ipv6: boolean): string[] {
  const v4 = cidrs.filter((c) => !isV6(c));
  const v6 = ipv6 ? cidrs.filter(isV6) : [];
  return [
    ...(v4.length > 0 ? [`ip daddr ${set(v4)}`] : []),
    ...(v6.length > 0 ? [`ip6 daddr ${set(v6)}`] : []),
  ];
}

const hook = (name: string, priority: string, type = "nat"): string =>
  `type ${type} hook ${name} priority ${priority}; policy accept;`;

function output(rules: CaptureRules): string {
  const { ipv6, dnsPort } = rules;
  const lines = [
    ...(ipv6 ? [] : ["meta nfproto ipv6 return"]),
    ...ownTraffic(rules),
    ...users(rules),
    ...rules.excludeInterfaces.map((i) => `oifname "${i}" return`),
    ...(dnsPort === 0 ? [] : [`meta l4proto { tcp, udp } th dport 53 redirect to :${dnsPort}`]),
    'oifname "lo" ip daddr 127.0.0.0/8 return',
    ...(ipv6 ? ['oifname "lo" ip6 daddr ::1 return'] : []),
    ...captured(rules),
  ];
  return chain("output", hook("output", "-100"), lines);
}

/** The proxy's: to this host's own addresses they come in like others', all else goes its way. */
function ownTraffic(rules: CaptureRules): string[] {
  const { proxyUid, proxyGid, inboundPort, ipv6 } = rules;
  const who = [
    ...(proxyUid === undefined ? [] : [`meta skuid ${proxyUid}`]),
    ...(proxyGid === undefined ? [] : [`meta skgid ${proxyGid}`]),
  ];
  const ports = `tcp dport != ${set(ownInboundPorts)}`;
  const self = (match: string): string[] =>
    inboundPort === 0
      ? []
      : [
          `${match} oifname "lo" ip daddr != 127.0.0.0/8 ${ports} redirect to :${inboundPort}`,
          ...(ipv6 ? [`${match} oifname "lo" ip6 daddr != ::1 ${ports} redirect to :${inboundPort}`] : []),
        ];
  return [
    `oifname "lo" ip saddr ${passthroughSources.v4} return`,
    ...(ipv6 ? [`oifname "lo" ip6 saddr ${passthroughSources.v6} return`] : []),
    ...who.flatMap((match) => [...self(match), `${match} goto excluded`]),
  ];
}

function users({ excludeUids, includeUids }: CaptureRules): string[] {
  return [
    ...(excludeUids.length > 0 ? [`meta skuid ${set(excludeUids)} goto excluded`] : []),
    ...(includeUids === "*" ? [] : [`meta skuid != ${set(includeUids)} goto excluded`]),
  ];
}

function captured(rules: CaptureRules): string[] {
  const { outboundPort, ipv6, excludeOutboundPorts: ports, includeOutboundPorts, includeCidrs } = rules;
  const redirect = `redirect to :${outboundPort}`;
  const chosen =
    includeCidrs === "*"
      ? [`meta l4proto tcp ${redirect}`]
      : [
          ...(includeOutboundPorts.length > 0 ? [`tcp dport ${set(includeOutboundPorts)} ${redirect}`] : []),
          ...toAddresses(includeCidrs, ipv6).map((m) => `${m} meta l4proto tcp ${redirect}`),
          "goto excluded",
        ];
  return [
    ...(ports.length > 0 ? [`tcp dport ${set(ports)} goto excluded`] : []),
    ...toAddresses(rules.excludeCidrs, ipv6).map((m) => `${m} goto excluded`),
    ...chosen,
  ];
}

function prerouting(rules: CaptureRules): string {
  const { inboundPort, includeInboundPorts: include, excludeInboundPorts, ipv6 } = rules;
  if (inboundPort === 0) return "";
  const own = [inboundPort, ...ownInboundPorts, ...excludeInboundPorts];
  const redirect = `redirect to :${inboundPort}`;
  const lines = [
    ...(ipv6 ? [] : ["meta nfproto ipv6 return"]),
    'iifname "lo" return',
    ...rules.excludeInterfaces.map((i) => `iifname "${i}" return`),
    `tcp dport ${set([...new Set(own)])} return`,
    ...(include === "*" ? [`meta l4proto tcp ${redirect}`] : []),
    ...(include !== "*" && include.length > 0 ? [`tcp dport ${set(include)} ${redirect}`] : []),
  ];
  return chain("prerouting", hook("prerouting", "-100"), lines);
}

/** What is not captured. */
function excluded({ outside, ipv6 }: CaptureRules): string {
  if (outside === undefined) return chain("excluded", "", ["return"]);
  return chain("excluded", "", [
    // Sidecars of the host's own namespace.
    `ip daddr 127.66.0.0/16 meta l4proto tcp redirect to :${outside.port}`,
    ...toAddresses(["127.0.0.0/8", "::1/128", ...outside.local], ipv6).map((m) => `${m} return`),
    `meta l4proto tcp redirect to :${outside.port}`,
  ]);
}

/** The relay carries TCP: who sends anything else is told so, instead of waiting. */
function refusals({ outside, ipv6 }: CaptureRules): string {
  if (outside === undefined) return "";
  const local = ["127.0.0.0/8", "::1/128", "ff00::/8", ...outside.local];
  return chain("refusals", hook("output", "0", "filter"), [
    'oifname "lo" return',
    ...toAddresses(local, ipv6).map((m) => `${m} return`),
    "meta l4proto udp reject with icmpx admin-prohibited",
  ]);
}
