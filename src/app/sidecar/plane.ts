/** The proxy of a sidecar, whichever it is. */
import type { Admin } from "../../proxy/admin/index.ts";
import type { Agent } from "../../proxy/agent/index.ts";
import type { ConfigSink } from "../../xds/client/index.ts";
import type { ControlPlaneAddress } from "./trust.ts";

export interface DataPlane extends Pick<Agent, "setSecret" | "ready" | "unready" | "drain" | "stop"> {
  /** Takes configuration. */
  readonly sink: ConfigSink;
  /** Node metadata for the control plane. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Rejects with a Problem where it cannot run. */
  start(): Promise<void>;
  /** Whether requests that arrive now find somebody. */
  serving(): boolean;
  prometheus(): string | Promise<string>;
  /** The command's environment, from what it inherits; absent: that of an explicit proxy. */
  environment?(base: Readonly<Record<string, string | undefined>>): Record<string, string>;
  /** The control plane is elsewhere now. */
  moved?(now: ControlPlaneAddress): void;
  /** Calls back when readiness may have changed. */
  on(listener: () => void): () => void;
  startAdmin(): Admin;
}
