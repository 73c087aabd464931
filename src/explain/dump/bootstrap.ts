import type { Dump } from "./dump.ts";
import { addressAt, hostPort, listAt, objectAt, textAt } from "./json.ts";

/** What a person asks of a bootstrap first, as label and value; empty where the dump holds none. */
export function bootstrapFacts(dump: Dump): readonly (readonly [string, string])[] {
  const { bootstrap } = dump;
  if (bootstrap === undefined) return [];
  const node = objectAt(bootstrap, "node");
  const ads = objectAt(bootstrap, "dynamic_resources", "ads_config");
  const service = listAt(ads, "grpc_services")[0];
  const plane = textAt(service, "envoy_grpc", "cluster_name") || textAt(service, "google_grpc", "target_uri");
  const facts: readonly (readonly [string, string])[] = [
    ["node id", textAt(node, "id")],
    ["cluster", textAt(node, "cluster")],
    ["user agent", [textAt(node, "user_agent_name"), textAt(node, "user_agent_version")].join(" ").trim()],
    ["admin", hostPort(addressAt(bootstrap, "admin", "address")).replace(/^-$/, "")],
    ["control plane", ads ? `${plane} (${textAt(ads, "api_type")})` : ""],
    ["static listeners", String(listAt(bootstrap, "static_resources", "listeners").length)],
    ["static clusters", String(listAt(bootstrap, "static_resources", "clusters").length)],
  ];
  return facts.filter(([, value]) => value !== "");
}
