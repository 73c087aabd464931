/** Services, the workloads behind them, and where they listen. */
import type { Origin, Visibility } from "./ref.ts";
import type { WorkloadAuthentication } from "./security.ts";

export type Protocol = "http" | "http2" | "grpc" | "https" | "tls" | "tcp" | "udp";

/** True where requests can be told apart, so that routes, retries and request limits act. */
export function isHttp(protocol: Protocol): boolean {
  return protocol === "http" || protocol === "http2" || protocol === "grpc";
}

/** One running instance: a WorkloadEntry, a pod, or a bare address of an EndpointSlice. */
export interface Workload {
  /** `namespace/name`: unique in the mesh. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** A mesh proxy stands before it: it can be reached by mutual TLS on `meshPort`. */
  readonly sidecar: boolean;
  /** Default 15008. */
  readonly meshPort: number;
  /** Private port of the application by published port; absent: the same port on 127.0.0.1. */
  readonly appPorts: Readonly<Record<number, number>>;
  readonly ready: boolean;
  readonly draining: boolean;
  /** Relative share of traffic, at least 1; default 1. */
  readonly weight: number;
  readonly locality: string;
  readonly network: string;
  readonly cluster: string;
  readonly authentication: WorkloadAuthentication;
  readonly origin: Origin;
}

/** A workload serving one port of a service. */
export interface Endpoint {
  /** Key of the workload. */
  readonly workload: string;
  readonly address: string;
  /** Published (plaintext) port on that address. */
  readonly port: number;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly weight: number;
}

export interface ServicePort {
  readonly port: number;
  readonly name: string;
  readonly protocol: Protocol;
  /** Sorted by address and port. Holds unready ones too: they serve nothing but explain much. */
  readonly endpoints: readonly Endpoint[];
}

export interface Service {
  /** `reviews.default.svc.cluster.local`. */
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
  readonly headless: boolean;
  /** Virtual addresses (ClusterIP); none for a headless service. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly visibility: Visibility;
  /** Of services that no Kubernetes Service names. */
  readonly entry?: {
    readonly external: boolean;
    /** Absent: endpoints are addresses. dns: names; dns-one: one name; dynamic, none: what the caller names. */
    readonly resolution?: "none" | "dns" | "dns-one" | "dynamic";
    /** Names that servers may prove instead of the endpoints' identities. */
    readonly subjectAltNames?: readonly string[];
  };
  readonly origin: Origin;
}
