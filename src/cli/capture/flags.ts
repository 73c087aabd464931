/** Flags that choose which connections are captured. */
import type { RuleFlags } from "../../app/capture/index.ts";
import { textFlag } from "../flags.ts";

export const ruleFlags = {
  includeOutboundIpRanges: textFlag("capture connections to these only (default *)", "CIDR,..|*"),
  excludeOutboundIpRanges: textFlag("leave connections to these alone", "CIDR,.."),
  includeOutboundPorts: textFlag("capture these ports whatever the ranges say", "PORT,.."),
  excludeOutboundPorts: textFlag("leave connections to these ports alone", "PORT,.."),
  includeInboundPorts: textFlag("capture connections that come to these ports only (default *)", "PORT,..|*"),
  excludeInboundPorts: textFlag("leave connections that come to these ports alone", "PORT,.."),
  includeUids: textFlag("capture connections of these users only (default *)", "UID,..|*"),
  excludeUids: textFlag("leave connections of these users alone", "UID,.."),
  excludeInterfaces: textFlag("leave connections through these interfaces alone", "NAME,.."),
};

/** Only the flags of this group, of all that a command was given. */
export function ruleFlagsOf(flags: RuleFlags): RuleFlags {
  const names = Object.keys(ruleFlags) as (keyof RuleFlags)[];
  return Object.fromEntries(names.flatMap((n) => (flags[n] === undefined ? [] : [[n, flags[n]]])));
}
