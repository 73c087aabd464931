/** /stats: the series of /stats/prometheus as `name: value` lines or Envoy's JSON. */
import type { Agent } from "../agent/index.ts";

interface Stat {
  readonly name: string;
  readonly value: number;
}

/** From the exposition, so that both pages say the same. Histograms come as their buckets, sum and count. */
function stats(agent: Agent, filter: string): Stat[] {
  return agent
    .prometheus()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const at = line.lastIndexOf(" ");
      return { name: line.slice(0, at), value: Number(line.slice(at + 1)) };
    })
    .filter((s) => filter === "" || s.name.includes(filter));
}

/** `filter`: a part of the name; Envoy takes a regular expression here, which a stranger must not choose. */
export function statsText(agent: Agent, filter: string): string {
  return stats(agent, filter)
    .map((s) => `${s.name}: ${s.value}\n`)
    .join("");
}

export function statsJson(agent: Agent, filter: string): unknown {
  return { stats: stats(agent, filter) };
}
