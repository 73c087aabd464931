import type { RuleFlags } from "../../app/capture/index.ts";
import type { ClientFlags } from "../flags.ts";

/** Of `weft run`. */
export interface RunFlags extends ClientFlags, RuleFlags {
  readonly transparent?: boolean;
  readonly captured?: boolean;
  readonly join?: string;
  readonly service?: string;
  readonly version?: string;
  readonly port?: number;
  readonly appPort?: number;
  readonly serviceAccount?: string;
  readonly readyPath?: string;
  readonly address?: string;
  readonly stateDir?: string;
  readonly concurrency?: number;
  readonly proxy?: "weft" | "envoy" | "grpc";
  readonly envoyPath?: string;
  readonly logLevel?: string;
  readonly logFormat?: "json" | "text";
}
