/** The control plane as a process's part: mesh control, CA, xDS over TLS and plain, metrics and debug pages. */
import { hostname } from "node:os";
import { create } from "@bufbuild/protobuf";
import type { Clock, Logger, Rng } from "../../base/index.ts";
import { type Ca, CsrRefusal, createCa, csrService } from "../../identity/ca/index.ts";
import { parseSpiffeId } from "../../identity/spiffe/index.ts";
import { spiffeVerifier } from "../../identity/verify/index.ts";
import { type KubeClient, keepLease, type LeaseKeeper } from "../../kube/client/index.ts";
import { type ControlPlane as Control, createControlPlane } from "../../mesh/control/index.ts";
import type { TranslateOptions } from "../../mesh/translate/index.ts";
import {
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from "../../proto/gen/istio/v1/auth/ca_pb.js";
import {
  type CallContext,
  createGrpcServer,
  GrpcError,
  type GrpcMethod,
  type GrpcServer,
  type GrpcTls,
  grpcCode,
  unaryMethod,
} from "../../wire/grpc/index.ts";
import { createXdsServer, type XdsServer } from "../../xds/server/index.ts";
import { type AuthenticateToken, tokenAuthenticator } from "./authenticate.ts";
import { kubeCaStore } from "./ca-store.ts";
import { type DebugServer, debugAccount, startDebug } from "./debug.ts";
import { watchDrains } from "./drained.ts";
import { addressMapName, ensureAccount, ensureNamespace, publishRoot, putConfigMap } from "./publish.ts";
import { createServerCertificate } from "./server-certificate.ts";

export interface ControlPlanePorts {
  /** xDS and CA over TLS; 0: any. Default 15012. */
  readonly xds: number;
  /** xDS without TLS on loopback; undefined: none. */
  readonly plainXds?: number | undefined;
  /** Metrics and debug. Default 15014. */
  readonly debug: number;
}

export interface PlaneOptions {
  readonly client: KubeClient;
  readonly host: string;
  readonly ports: ControlPlanePorts;
  readonly translate: TranslateOptions;
  readonly trustDomain?: string;
  /** Longest life of any certificate that the CA signs, the control plane's own included; default 90 days. */
  readonly certificateTtlMs?: number;
  /** Of this program; told to `weft check`. */
  readonly version?: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

export interface Plane {
  readonly control: Control;
  readonly xds: XdsServer;
  readonly xdsAddress: string;
  readonly plainXdsAddress: string | undefined;
  readonly debugAddress: string;
  stop(): Promise<void>;
}

const rootNamespace = "weft-system";
/** Name of the control plane's own Lease. */
export const heartbeatName = "weft-control-plane";

/** Starts it all; resolves when sidecars can connect. */
export async function startControlPlane(options: PlaneOptions): Promise<Plane> {
  const { client, clock, rng, log, host, ports } = options;
  const trustDomain = options.trustDomain ?? "cluster.local";
  const undo: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await ensureNamespace(client, rootNamespace);
    await ensureAccount(client, rootNamespace, debugAccount);
    const heartbeat = keepHeartbeat(options);
    undo.push(() => heartbeat.release());
    const ca = await createCa({
      store: kubeCaStore(client, rootNamespace),
      clock,
      trustDomain,
      ...(options.certificateTtlMs === undefined ? {} : { maxLeafTtlMs: options.certificateTtlMs }),
    });
    const control = createControlPlane({
      client,
      clock,
      rng,
      log: log.child("control"),
      translate: options.translate,
      heartbeat: `${rootNamespace}/${heartbeatName}`,
    });
    undo.push(() => control.stop());
    const authenticate = tokenAuthenticator(client, clock);
    const xds = createXdsServer({
      source: control.source,
      authenticate: (call) => principalOf(call, authenticate),
      clock,
      log: log.child("xds.server"),
    });
    const published = publishRoot(client, ca.rootPem, { clock, rng, log });
    undo.push(() => published.stop());
    await control.start();
    const own = createServerCertificate(ca, serverNames(host), clock);
    const secure = await startSecure(options, ca, own.tls, [...xds.methods, caMethod(ca, authenticate, log)]);
    undo.push(() => secure.stop());
    undo.push(own.keepFresh((tls) => secure.rotate(tls)));
    const plain = ports.plainXds === undefined ? undefined : await startPlain(options, ports.plainXds, xds);
    undo.push(() => plain?.stop());
    const debug = startDebug({
      client,
      control,
      xds,
      servers: { secure },
      host,
      port: ports.debug,
      clock,
      log,
    });
    undo.push(() => debug.stop());
    const drains = watchDrains({
      ...{ client, clock, rng, log },
      translatedAt: () => control.info().lastAt,
      proxies: () => xds.status(),
    });
    undo.push(() => drains.stop());
    const addresses = addressesOf(host, secure, plain, debug);
    await published.published;
    await putConfigMap(client, rootNamespace, addressMapName, {
      xdsAddress: addresses.xdsAddress,
      debugAddress: addresses.debugAddress,
      trustDomain,
      defaultMtls: options.translate.defaultMtls ?? "permissive",
    });
    return { control, xds, ...addresses, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A Lease that says that this control plane lives, to people and (that its renewals can be seen) to itself. */
function keepHeartbeat({ client, clock, log, version }: PlaneOptions): LeaseKeeper {
  return keepLease(client, {
    namespace: rootNamespace,
    name: heartbeatName,
    holder: `weft ${version ?? "unknown"} on ${hostname()} (pid ${process.pid})`,
    clock,
    log: log.child("lease"),
  });
}

function addressesOf(host: string, secure: GrpcServer, plain: GrpcServer | undefined, debug: DebugServer) {
  const at = (port: number): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  return {
    xdsAddress: at(secure.port),
    plainXdsAddress: plain === undefined ? undefined : `127.0.0.1:${plain.port}`,
    debugAddress: at(debug.port),
  };
}

const serverNames = (host: string) => ({
  dns: ["localhost", "weft-control-plane", `weft-control-plane.${rootNamespace}.svc`],
  ips: [...new Set(["127.0.0.1", host])],
});

function startSecure(
  options: PlaneOptions,
  ca: Ca,
  tls: GrpcTls,
  methods: readonly GrpcMethod[],
): Promise<GrpcServer> {
  const { host, ports, clock, log } = options;
  return createGrpcServer({
    host,
    port: ports.xds,
    tls,
    verifyPeer: spiffeVerifier({ trustDomains: [ca.trustDomain], usage: "client", clock }),
    methods,
    log: log.child("grpc"),
    clock,
  });
}

/** No secrets there: only discovery, only on loopback, and only with a token as everywhere. */
function startPlain({ clock, log }: PlaneOptions, port: number, xds: XdsServer): Promise<GrpcServer> {
  return createGrpcServer({ host: "127.0.0.1", port, methods: xds.methods, log: log.child("grpc"), clock });
}

/** A verified client certificate, else a token. */
async function principalOf(call: CallContext, authenticate: AuthenticateToken) {
  const parsed = call.peer.principal ? parseSpiffeId(call.peer.principal) : undefined;
  if (parsed?.ok && parsed.id.serviceAccount !== "")
    return { namespace: parsed.id.namespace, serviceAccount: parsed.id.serviceAccount };
  const verdict = await authenticate(call.metadata.get("authorization")).catch(() => {
    throw new GrpcError(grpcCode.unavailable, "the credential could not be checked, try again");
  });
  if (!verdict.ok) throw new GrpcError(grpcCode.unauthenticated, verdict.reason);
  return { namespace: verdict.namespace, serviceAccount: verdict.serviceAccount };
}

function caMethod(ca: Ca, authenticate: AuthenticateToken, log: Logger): GrpcMethod {
  const service = csrService<CallContext["peer"]>({
    ca,
    authenticate: (metadata) => authenticate(metadata("authorization")),
    log: log.child("ca"),
  });
  return unaryMethod(IstioCertificateService.method.createCertificate, async (request, call) => {
    try {
      const { certChain } = await service(request, (name) => call.metadata.get(name), call.peer);
      return create(IstioCertificateResponseSchema, { certChain });
    } catch (error) {
      if (error instanceof CsrRefusal) throw new GrpcError(error.grpcStatus, error.message);
      throw error;
    }
  });
}
