/** What the proxy of a sidecar is started with. */
import type { Clock, Logger, Rng } from "../../base/index.ts";
import type { KubeClient } from "../../kube/client/index.ts";
import type { EnvoyBinary } from "../envoy/index.ts";
import type { Capture } from "./capture.ts";
import type { Registration } from "./register.ts";
import type { ControlPlaneAddress } from "./trust.ts";

export interface SidecarProxyOptions {
  readonly client: KubeClient;
  readonly registration: Registration;
  /** Where the control plane is, or was when it was last seen. */
  readonly plane: ControlPlaneAddress;
  readonly onPlaneMoved: (now: ControlPlaneAddress) => void;
  /** Password that the forward proxy asks for. */
  readonly proxyCredential: string;
  readonly stateDir: string;
  /** The configuration kept there is of this very registration: it may be started from. */
  readonly resume: boolean;
  readonly concurrency?: number;
  readonly createWorker: () => Worker;
  /** This Envoy is the proxy; absent: Weft's own. */
  readonly envoy?: EnvoyBinary;
  /** The application speaks xDS itself: it gets a bootstrap file, certificates and a way to the control plane. */
  readonly proxyless?: boolean;
  /** Access log lines for standard output; default: this process's. */
  readonly accessLog?: (text: string) => void;
  /** Connections come by redirect rules; absent: by proxy variables. */
  readonly capture?: Capture;
  readonly appReady: () => boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}
