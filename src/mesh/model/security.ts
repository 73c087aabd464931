/** Who must prove who they are. */
import type { Origin } from "./ref.ts";

/** strict: only mutual TLS. permissive: both. disable: only plaintext. */
export type MtlsMode = "strict" | "permissive" | "disable";

export interface MtlsRule {
  readonly mode: MtlsMode;
  readonly origin: Origin;
}

/** What a workload asks of its callers; a port's own rule goes before the default. Keys are published ports. */
export interface WorkloadAuthentication {
  readonly all: MtlsRule;
  readonly ports: Readonly<Record<number, MtlsRule>>;
}

export function mtlsFor(authentication: WorkloadAuthentication, port: number): MtlsRule {
  return authentication.ports[port] ?? authentication.all;
}
