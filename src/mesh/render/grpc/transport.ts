/** How a gRPC client reaches a target: it knows one transport for a whole cluster, none for single endpoints. */
import { mtlsFor } from "../../model/index.ts";
import type { Member, Target } from "../target.ts";

export interface Transport {
  /** Mutual TLS of the mesh. */
  readonly secure: boolean;
  /** Those that can be reached so. */
  readonly members: readonly Member[];
}

/**
 * Mutual TLS where a policy asks for it or every endpoint takes it; else plaintext to those that take that, and only
 * where nobody does, mutual TLS to those that take it.
 */
export function transportOf(target: Target): Transport {
  const kind = target.policy.security?.kind;
  const serving = target.members.filter((m) => m.endpoint.ready || m.endpoint.draining);
  if (kind !== undefined) return { secure: kind === "mesh", members: serving };
  const secure = serving.filter((m) => m.secure);
  // While nobody serves, those who will again keep the transport as it is.
  if (serving.length === 0) return { secure: target.members.some((m) => m.secure), members: [] };
  if (secure.length === serving.length) return { secure: true, members: secure };
  const plain = serving.filter(takesPlaintext);
  return plain.length > 0 ? { secure: false, members: plain } : { secure: true, members: secure };
}

/** STRICT refuses it, and where mutual TLS has the published port there is no other. */
function takesPlaintext({ endpoint, workload }: Member): boolean {
  if (!workload.sidecar) return true;
  const { mode } = mtlsFor(workload.authentication, endpoint.port);
  return mode === "disable" || (mode === "permissive" && workload.meshPort !== endpoint.port);
}
