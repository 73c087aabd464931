/** For tests of mesh TLS: a CA, this side's certificate and listener, and raw clients over TLS. */

import type { DownstreamTls, FilterChainConfig } from "../proxy/config/index.ts";
import {
  change,
  endpoint,
  httpDefaults,
  Inbox,
  listener,
  type RawSocket,
  route,
  type TestPlane,
  testPlane,
} from "../proxy/data/test-support.ts";
import { createTlsClient, type TlsSocket } from "../wire/tls/index.ts";
import { type Issued, issue, issuingCa } from "./issue.ts";

export const ca = issuingCa();
export const spiffe = (sa: string, namespace = "default"): string =>
  `spiffe://cluster.local/ns/${namespace}/sa/${sa}`;
export const sni = "outbound_.80_._.reviews.default.svc.cluster.local";
/** This side's certificate. */
export const own = issue({ ca, spiffe: spiffe("reviews") });
/** A mesh peer's. */
export const caller: Issued = issue({ ca, spiffe: spiffe("productpage") });
export const secrets = [
  { name: "default", certPem: own.cert, keyPem: own.key },
  { name: "ROOTCA", caPem: ca.pem },
];

export const mutual: DownstreamTls = {
  certSecret: "default",
  requireClientCertificate: true,
  validation: {
    caSecret: "ROOTCA",
    sans: [{ kind: "prefix", value: "spiffe://cluster.local/" }],
    mode: "spiffe",
  },
  alpn: ["http/1.1"],
  minVersion: 772,
  maxVersion: 772,
};

export const chain = (more: Partial<FilterChainConfig> = {}): FilterChainConfig => ({
  name: "80",
  serverNames: [sni],
  alpn: ["http/1.1"],
  transportProtocol: "tls",
  tls: mutual,
  filter: { kind: "http", http: httpDefaults },
  ...more,
});

/** A plane whose inbound listener `mesh` has these chains, before an origin on `port`. */
export function meshPlane(port: number, filterChains: readonly FilterChainConfig[] = [chain()]): TestPlane {
  const plane = testPlane();
  plane.handle({ kind: "update", seq: 1000, resources: [], secrets });
  const errors = plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(port, 0)]),
    change.routes([route("origin")]),
    change.listener({ ...listener(), name: "mesh", direction: "inbound", filterChains }),
  ]);
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return plane;
}

/** Shows `identity`, if any; resolves with the socket, or with a closed one where the handshake failed. */
export function connectTls(
  port: number,
  identity: { readonly cert?: string; readonly key?: string } = caller,
  alpn: readonly string[] = ["http/1.1"],
): Promise<RawSocket> {
  const { cert, key } = identity;
  const inbox = new Inbox();
  const opened = Promise.withResolvers<TlsSocket | null>();
  const client = createTlsClient<Inbox>(
    {
      ...{ ca: ca.pem, alpn, sni },
      verifyPeer: () => ({ ok: true, principal: "" }),
      ...(cert !== undefined && key !== undefined ? { identity: { cert, key } } : {}),
    },
    {
      open: (_, socket) => opened.resolve(socket),
      data: (to, bytes) => to.push(bytes),
      drain: () => undefined,
      end: (to) => to.close(),
      close: (to) => to.close(),
      refused: (to) => {
        to.close();
        opened.resolve(null);
      },
    },
  );
  client.connect({ host: "127.0.0.1", port }, inbox);
  return opened.promise.then((socket) => ({
    inbox,
    send: (data) => void socket?.write(typeof data === "string" ? Buffer.from(data, "latin1") : data),
    end: () => socket?.end(),
    shutdown: () => socket?.shutdown(),
    pause: () => socket?.pause(),
    resume: () => socket?.resume(),
  }));
}
