/** Names that xDS resources refer to each other by: Istio's, so that its tools read them. */

export function outboundCluster(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

export function inboundCluster(port: number): string {
  return `inbound|${port}||`;
}

/** Server name of mutual TLS to a service's port; also for its subsets. */
export function serverName(port: number, host: string): string {
  return `outbound_.${port}_._.${host}`;
}

export function spiffeUri(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

export const passthroughCluster = "PassthroughCluster";
export const blackHoleCluster = "BlackHoleCluster";
/** Route table of the forward proxy; Istio's name. */
export const forwardRoutes = "http_proxy";
/** Secrets that the proxy's agent resolves itself: its own certificate, and the mesh's roots. */
export const ownSecret = "default";
export const rootSecret = "ROOTCA";
/** Ports of an explicit-mode proxy; DESIGN 6. */
export const forwardPort = 15001;
