/** What a sidecar is told of the capture of its connections. */
import type { Upstream } from "../../proxy/dns/index.ts";

/** How this workload's connections are captured. */
export interface Capture {
  /** The namespace has IPv6. */
  readonly ipv6: boolean;
  /** Where DNS is redirected to; 0: it is not. */
  readonly dnsPort: number;
  /** Who knows other names; absent: nobody. */
  readonly names?: Upstream;
  /** On the host, where the admin pages of a workload with a namespace of its own are found. */
  readonly adminAddress?: string;
  /** Makes a loopback address of the host's reachable under the same address here. */
  readonly expose?: (target: string) => void;
  /** The command as it is started: as whom, and with what it may not do. */
  readonly wrap: (command: readonly string[]) => readonly string[];
}
