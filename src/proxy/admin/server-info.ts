/** /server_info: Envoy's admin.v3.ServerInfo as JSON. */
import type { Agent } from "../agent/index.ts";

export function serverInfo(
  agent: Agent,
  about: { readonly version: string; readonly uptimeMs: number },
): unknown {
  const seconds = `${Math.floor(about.uptimeMs / 1000)}s`;
  return {
    version: `weft/${about.version}`,
    state: agent.ready() ? "LIVE" : "PRE_INITIALIZING",
    uptime_current_epoch: seconds,
    uptime_all_epochs: seconds,
    hot_restart_version: "disabled",
    node: {
      id: agent.node.id,
      cluster: agent.node.cluster ?? "",
      metadata: agent.node.metadata ?? {},
      user_agent_name: "weft",
      user_agent_version: about.version,
    },
    data_thread_restarts: agent.restarts,
  };
}
