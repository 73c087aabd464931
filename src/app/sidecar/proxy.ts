/** The proxy of a sidecar: data threads, xDS, certificate, admin pages; ready when it has all three. */
import { join } from "node:path";
import { spiffeId } from "../../identity/spiffe/index.ts";
import { createSvidManager, type SvidManager } from "../../identity/svid/index.ts";
import { type Admin, type Health, startHealth } from "../../proxy/admin/index.ts";
import { createGrpcChannel } from "../../wire/grpc/index.ts";
import { lockAddress } from "../../wire/socket/index.ts";
import {
  createXdsClient,
  fileSnapshotStore,
  type SnapshotStore,
  type XdsClient,
} from "../../xds/client/index.ts";
import { adminPorts, createDataPlane } from "./data-plane.ts";
import { stateFiles } from "./last-good.ts";
import { nodeId } from "./node.ts";
import type { SidecarProxyOptions } from "./options.ts";
import type { DataPlane } from "./plane.ts";
import { createPlaneLink, type Identity, type PlaneLink } from "./plane-link.ts";
import { certificateRequest, lookForControlPlane, tokenSource } from "./trust.ts";

export interface SidecarProxy {
  readonly plane: DataPlane;
  readonly xds: XdsClient;
  /** Resolves when requests can be served: certificate there, first configuration in effect. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

/** Starts everything at once; what fails to start is thrown. */
export async function startSidecarProxy(options: SidecarProxyOptions): Promise<SidecarProxy> {
  const { registration: r, clock, rng, log } = options;
  const plane = createDataPlane(options);
  const opened: { stop(): unknown }[] = [plane];
  const stop = async (): Promise<void> => {
    for (const part of opened.reverse()) await part.stop();
  };
  try {
    await plane.start();
    const { link: channel, svid } = connectPlane(options, plane);
    opened.push(svid);
    const configured = Promise.withResolvers<void>();
    const xds = createXdsClient({
      channel,
      node: {
        id: nodeId(r),
        cluster: r.service,
        metadata: plane.metadata,
        version: options.version,
      },
      sink: plane.sink,
      names: options.capture !== undefined,
      clock,
      rng,
      log: log.child("xds"),
      snapshot: keptConfiguration(options),
      onStatus: (status) => {
        if (status.synced) configured.resolve();
      },
    });
    opened.push(...(await lockPages(options)), ...startPages(options, plane), xds);
    const certified = svid.start();
    await xds.start();
    const ready = Promise.all([certified, configured.promise]).then(() => whenReady(plane));
    ready.catch(() => {});
    return { plane, xds, ready, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The proxy's listeners are in effect; it tells of each one. */
function whenReady(plane: DataPlane): Promise<void> {
  if (plane.ready()) return Promise.resolve();
  return new Promise((resolve) => {
    const off = plane.on(() => {
      if (!plane.ready()) return;
      off();
      resolve();
    });
  });
}

/** The link asks as whom the certificate manager last got a certificate for, and that manager asks by the link. */
function connectPlane(
  options: SidecarProxyOptions,
  proxy: DataPlane,
): { link: PlaneLink; svid: SvidManager } {
  const { client, registration: r, plane, clock, rng, log } = options;
  let own: Identity | undefined;
  const link = createPlaneLink({
    first: plane,
    find: async (signal) => {
      const found = await lookForControlPlane(client, r.namespace, signal);
      return "missing" in found ? undefined : found;
    },
    token: tokenSource(client, r.namespace, r.serviceAccount),
    identity: () => own,
    open: (target) => {
      options.capture?.expose?.(target.target);
      return createGrpcChannel(target);
    },
    onMoved: (now, before) => {
      options.onPlaneMoved(now);
      proxy.moved?.(now);
      // Under another root, what the old one signed proves nothing any more.
      if (now.rootPem !== before.rootPem) void svid.renewNow();
    },
    clock,
    log: log.child("plane"),
  });
  const svid = createSvidManager({
    id: spiffeId(plane.trustDomain, r.namespace, r.serviceAccount),
    request: certificateRequest(link),
    trustBundle: () => link.address.rootPem,
    clock,
    rng,
    log: log.child("identity"),
    stateDir: join(options.stateDir, stateFiles.identity),
    onSecret: (certPem, keyPem, caPem, notAfter) => {
      own = { certPem, keyPem, notAfter };
      const failed = (error: unknown): void => log.error("certificate not taken", { error: String(error) });
      proxy.setSecret({ name: "ROOTCA", caPem }).catch(failed);
      proxy.setSecret({ name: "default", certPem, keyPem }).catch(failed);
    },
  });
  return { link, svid };
}

/** What listens there besides the proxy's own listeners is locked as they are: a second holder is named. */
async function lockPages({ registration: r, clock }: SidecarProxyOptions): Promise<{ stop(): void }[]> {
  const locks: { stop(): void }[] = [];
  try {
    for (const port of Object.values(adminPorts)) {
      const lock = await lockAddress({ host: r.address, port, owner: `weft run ${r.service}`, clock });
      locks.push({ stop: () => lock.release() });
    }
    return locks;
  } catch (error) {
    for (const lock of locks) lock.stop();
    throw error;
  }
}

function startPages(options: SidecarProxyOptions, plane: DataPlane): readonly (Admin | Health)[] {
  const admin = plane.startAdmin();
  const health = startHealth({
    agent: plane,
    address: options.registration.address,
    metricsPort: adminPorts.metrics,
    readyPort: adminPorts.ready,
    appReady: options.appReady,
    log: options.log.child("admin"),
  });
  return [admin, health];
}

/** What was kept for another port or account would lead requests astray: it is only written over. */
function keptConfiguration({ stateDir, resume }: SidecarProxyOptions): SnapshotStore {
  const store = fileSnapshotStore(join(stateDir, stateFiles.configuration));
  return resume ? store : { ...store, load: async () => undefined };
}
