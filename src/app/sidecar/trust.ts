/** The bootstrap of trust: what a sidecar learns from the API server before it talks to the control plane. */
import { create } from "@bufbuild/protobuf";
import { type Clock, delay } from "../../base/index.ts";
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import {
  IstioCertificateRequestSchema,
  IstioCertificateService,
} from "../../proto/gen/istio/v1/auth/ca_pb.js";
import type { GrpcChannel } from "../../wire/grpc/index.ts";
import { Problem } from "../problem/index.ts";
import { limits } from "./limits.ts";

/** The same names as the control plane publishes under. */
const addressMap = { namespace: "weft-system", name: "weft-control-plane", key: "xdsAddress" } as const;
const rootMap = { name: "weft-ca-root-cert", key: "root-cert.pem" } as const;
const audience = "weft-ca";
const tokenSeconds = 600;

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface ControlPlaneAddress {
  /** `host:port` of xDS and CA. */
  readonly xds: string;
  readonly rootPem: string;
  readonly trustDomain: string;
}

/** Both ConfigMaps as they are now; which one is missing. */
export async function lookForControlPlane(
  client: Pick<KubeClient, "get">,
  namespace: string,
  signal?: AbortSignal,
): Promise<ControlPlaneAddress | { readonly missing: string }> {
  const [plane, root] = await Promise.all([
    readMap(client, addressMap.namespace, addressMap.name, signal),
    readMap(client, namespace, rootMap.name, signal),
  ]);
  const xds = plane?.[addressMap.key];
  const rootPem = root?.[rootMap.key];
  if (plane && xds && rootPem) return { xds, rootPem, trustDomain: plane["trustDomain"] ?? "cluster.local" };
  return { missing: xds ? `${namespace}/${rootMap.name}` : `${addressMap.namespace}/${addressMap.name}` };
}

/**
 * Waits for a control plane that is still starting, then says what is missing; where it was before is good enough,
 * since a link to it looks again.
 */
export async function findControlPlane(
  client: Pick<KubeClient, "get">,
  namespace: string,
  clock: Clock,
  before: ControlPlaneAddress | undefined,
): Promise<ControlPlaneAddress> {
  const end = clock.now() + limits.startMs;
  for (;;) {
    const found = await lookForControlPlane(client, namespace);
    if (!("missing" in found)) return found;
    if (before !== undefined) return before;
    if (clock.now() >= end)
      throw new Problem("no control plane is known to the API server", {
        why: `there is no ConfigMap ${found.missing}`,
        mend: "start `weft dev` or `weft control-plane`",
      });
    await delay(clock, 200);
  }
}

async function readMap(
  client: Pick<KubeClient, "get">,
  namespace: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    const options = signal === undefined ? {} : { signal };
    return (await client.get<ConfigMap>(refs.configMap, name, namespace, options)).data;
  } catch (error) {
    if (isKubeError(error, 404)) return undefined;
    throw error;
  }
}

/** A fresh token of the service account for each call: it lives 10 minutes. */
export function tokenSource(
  client: KubeClient,
  namespace: string,
  serviceAccount: string,
): () => Promise<string> {
  return async () => {
    const { token } = await client.tokenRequest(namespace, serviceAccount, {
      audience,
      seconds: tokenSeconds,
    });
    return token;
  };
}

/** Sends a CSR to the control plane; the chain, leaf first. */
export function certificateRequest(
  channel: Pick<GrpcChannel, "unary">,
): (csrPem: string, ttlSeconds: number) => Promise<string[]> {
  return async (csr, ttlSeconds) => {
    const request = create(IstioCertificateRequestSchema, { csr, validityDuration: BigInt(ttlSeconds) });
    const { certChain } = await channel.unary(IstioCertificateService.method.createCertificate, request);
    return certChain;
  };
}
