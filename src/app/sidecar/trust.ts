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

/** Reads both ConfigMaps; waits for a control plane that is still starting, then says what is missing. */
export async function findControlPlane(
  client: KubeClient,
  namespace: string,
  clock: Clock,
): Promise<ControlPlaneAddress> {
  const end = clock.now() + limits.startMs;
  for (;;) {
    const [plane, root] = await Promise.all([
      readMap(client, addressMap.namespace, addressMap.name),
      readMap(client, namespace, rootMap.name),
    ]);
    const xds = plane?.[addressMap.key];
    const rootPem = root?.[rootMap.key];
    if (xds && rootPem) return { xds, rootPem, trustDomain: plane["trustDomain"] ?? "cluster.local" };
    if (clock.now() >= end)
      throw new Problem("no control plane is known to the API server", {
        why: xds
          ? `namespace ${namespace} has no ConfigMap ${rootMap.name}`
          : `there is no ConfigMap ${addressMap.namespace}/${addressMap.name}`,
        mend: "start `weft dev` or `weft control-plane`",
      });
    await delay(clock, 200);
  }
}

async function readMap(
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    return (await client.get<ConfigMap>(refs.configMap, name, namespace)).data;
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
  channel: GrpcChannel,
): (csrPem: string, ttlSeconds: number) => Promise<string[]> {
  return async (csr, ttlSeconds) => {
    const request = create(IstioCertificateRequestSchema, { csr, validityDuration: BigInt(ttlSeconds) });
    const { certChain } = await channel.unary(IstioCertificateService.method.createCertificate, request);
    return certChain;
  };
}
