/** A bootstrap file read: what to run, or what is wrong with it and where. */
import type { CompiledResource, SecretSource } from "../compile/index.ts";
import type { DiscoveryConfig } from "../discovery/index.ts";
import type { Place } from "../text/index.ts";

export interface BootstrapProblem {
  /** `static_resources.clusters[0].lb_policy`; empty where the text as a whole is meant. */
  readonly path: string;
  readonly message: string;
  readonly where: Place;
}

/** Plain JSON values: it crosses from the compiling process to the running one. */
export interface CompiledBootstrap {
  readonly node: {
    readonly id: string;
    readonly cluster: string;
    readonly metadata: Readonly<Record<string, unknown>>;
    readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  };
  readonly admin?: { readonly address: string; readonly port: number };
  /** With the JSON form of each as Envoy would print it. */
  readonly resources: readonly { readonly resource: CompiledResource; readonly json: string }[];
  readonly secrets: readonly SecretSource[];
  /** Where the rest comes from; absent: the file says all. */
  readonly discovery?: DiscoveryConfig;
  /** The whole bootstrap in Envoy's JSON form, keys and inline secrets left out. */
  readonly json: string;
}

export type BootstrapResult =
  | {
      readonly ok: true;
      readonly bootstrap: CompiledBootstrap;
      readonly warnings: readonly BootstrapProblem[];
    }
  | {
      readonly ok: false;
      readonly errors: readonly BootstrapProblem[];
      readonly warnings: readonly BootstrapProblem[];
    };
