/** The proxy of a sidecar: data threads, xDS, certificate, admin pages; ready when it has all three. */
import { join } from "node:path";
import type { Clock, Logger, Rng } from "../../base/index.ts";
import { spiffeId } from "../../identity/spiffe/index.ts";
import { createSvidManager, type SvidManager } from "../../identity/svid/index.ts";
import type { KubeClient } from "../../kube/client/index.ts";
import { type Admin, type Health, startAdmin, startHealth } from "../../proxy/admin/index.ts";
import { type Agent, createAgent } from "../../proxy/agent/index.ts";
import { lockAddress } from "../../wire/socket/index.ts";
import { createXdsClient, fileSnapshotStore, type XdsClient } from "../../xds/client/index.ts";
import { Problem } from "../problem/index.ts";
import { stateFiles } from "./last-good.ts";
import { createPlaneLink, type Identity, type PlaneLink } from "./plane-link.ts";
import { type Registration, workloadLabels } from "./register.ts";
import { type ControlPlaneAddress, certificateRequest, lookForControlPlane, tokenSource } from "./trust.ts";

/** Ports of the admin pages on the workload's own address. */
export const adminPorts = { admin: 15_000, metrics: 15_020, ready: 15_021 } as const;

export interface SidecarProxyOptions {
  readonly client: KubeClient;
  readonly registration: Registration;
  /** Where the control plane is, or was when it was last seen. */
  readonly plane: ControlPlaneAddress;
  readonly onPlaneMoved: (now: ControlPlaneAddress) => void;
  /** Password that the forward proxy asks for. */
  readonly proxyCredential: string;
  readonly stateDir: string;
  readonly concurrency?: number;
  readonly createWorker: () => Worker;
  readonly appReady: () => boolean;
  readonly version: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

export interface SidecarProxy {
  readonly agent: Agent;
  readonly xds: XdsClient;
  /** Resolves when requests can be served: certificate there, first configuration in effect. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

/** Starts everything at once; what fails to start is thrown. */
export async function startSidecarProxy(options: SidecarProxyOptions): Promise<SidecarProxy> {
  const { registration: r, clock, rng, log } = options;
  const agent = createSidecarAgent(options);
  const opened: { stop(): unknown }[] = [agent];
  const stop = async (): Promise<void> => {
    for (const part of opened.reverse()) await part.stop();
  };
  try {
    await agent.started.catch((error: Error) => {
      throw new Problem("the proxy cannot run", {
        why: error.message,
        mend: "is there memory for its threads, and is the installation whole (`weft version`)?",
      });
    });
    const { link: channel, svid } = connectPlane(options, agent);
    opened.push(svid);
    const configured = Promise.withResolvers<void>();
    const xds = createXdsClient({
      channel,
      node: {
        id: nodeId(r),
        cluster: r.service,
        metadata: metadata(r, options.version),
        version: options.version,
      },
      sink: agent,
      clock,
      rng,
      log: log.child("xds"),
      snapshot: fileSnapshotStore(join(options.stateDir, stateFiles.configuration)),
      onStatus: (status) => {
        if (status.synced) configured.resolve();
      },
    });
    opened.push(...(await lockPages(options)), ...startPages(options, agent), xds);
    const certified = svid.start();
    await xds.start();
    const ready = Promise.all([certified, configured.promise]).then(() => whenReady(agent));
    ready.catch(() => {});
    return { agent, xds, ready, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The agent's listeners are in effect; it tells of each one. */
function whenReady(agent: Agent): Promise<void> {
  if (agent.ready()) return Promise.resolve();
  return new Promise((resolve) => {
    const off = agent.on(() => {
      if (!agent.ready()) return;
      off();
      resolve();
    });
  });
}

/** What replicas have in common, `reviews-v1`: the workload of metrics, as endpoint metadata names it. */
function generation(r: Registration): string {
  return r.version === undefined ? r.service : `${r.service}-${r.version}`;
}

function nodeId(r: Registration): string {
  return `sidecar~${r.address}~${r.workload}.${r.namespace}~${r.namespace}.svc.cluster.local`;
}

function metadata(r: Registration, version: string): Record<string, unknown> {
  const labels = workloadLabels(r);
  return {
    NAME: r.workload,
    WORKLOAD_NAME: generation(r),
    NAMESPACE: r.namespace,
    SERVICE_ACCOUNT: r.serviceAccount,
    LABELS: { ...labels, "service.istio.io/canonical-name": r.service },
    INSTANCE_IPS: r.address,
    CLUSTER_ID: "Kubernetes",
    WEFT_VERSION: version,
    FEATURES: [],
  };
}

function createSidecarAgent(options: SidecarProxyOptions): Agent {
  const { registration: r, clock, rng, log } = options;
  return createAgent({
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    createWorker: options.createWorker,
    node: {
      id: nodeId(r),
      cluster: r.service,
      peer: {
        workload: generation(r),
        namespace: r.namespace,
        app: r.service,
        version: r.version ?? "",
        service: r.service,
        revision: r.version ?? "latest",
        cluster: "Kubernetes",
      },
      metadata: metadata(r, options.version),
    },
    proxyCredential: options.proxyCredential,
    clock,
    rng,
    log,
    lockAddress: (host, port) => lockAddress({ host, port, owner: `weft run ${r.service}`, clock }),
  });
}

/** The link asks as whom the certificate manager last got a certificate for, and that manager asks by the link. */
function connectPlane(options: SidecarProxyOptions, agent: Agent): { link: PlaneLink; svid: SvidManager } {
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
    onMoved: (now, before) => {
      options.onPlaneMoved(now);
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
      agent.setSecret({ name: "ROOTCA", caPem }).catch(failed);
      agent.setSecret({ name: "default", certPem, keyPem }).catch(failed);
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

/** What Envoy's bootstrap would say: who this is, and where its configuration comes from. */
function bootstrapOf({ registration: r, plane, version }: SidecarProxyOptions): unknown {
  const at = (address: string, port: number): unknown => ({ socket_address: { address, port_value: port } });
  return {
    node: {
      id: nodeId(r),
      cluster: r.service,
      metadata: metadata(r, version),
      user_agent_name: "weft",
      user_agent_version: version,
    },
    admin: { address: at(r.address, adminPorts.admin) },
    dynamic_resources: {
      ads_config: {
        api_type: "DELTA_GRPC",
        transport_api_version: "V3",
        grpc_services: [{ google_grpc: { target_uri: plane.xds, stat_prefix: "xds" } }],
      },
      cds_config: { ads: {} },
      lds_config: { ads: {} },
    },
  };
}

function startPages(options: SidecarProxyOptions, agent: Agent): readonly (Admin | Health)[] {
  const { registration: r, clock, log } = options;
  const admin = startAdmin({
    agent,
    address: r.address,
    port: adminPorts.admin,
    clock,
    log: log.child("admin"),
    version: options.version,
    bootstrapJson: JSON.stringify(bootstrapOf(options)),
  });
  const health = startHealth({
    agent,
    address: r.address,
    metricsPort: adminPorts.metrics,
    readyPort: adminPorts.ready,
    appReady: options.appReady,
    log: log.child("admin"),
  });
  return [admin, health];
}
