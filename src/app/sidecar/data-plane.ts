/** The proxy itself, Weft's or a stock Envoy, behind what the sidecar needs of it. */
import { availableParallelism } from "node:os";
import { envoyContract } from "../../mesh/render/index.ts";
import { startAdmin } from "../../proxy/admin/index.ts";
import { createAgent, peerMetadata } from "../../proxy/agent/index.ts";
import { lockAddress } from "../../wire/socket/index.ts";
import { addressesFor } from "../capture/addresses.ts";
import { EnvoyDataPlane } from "../envoy/index.ts";
import { Problem } from "../problem/index.ts";
import { generatorMetadata, ProxylessPlane } from "../proxyless/index.ts";
import { capturedPlane } from "./captured.ts";
import { nodeId, nodeMetadata, peerOf } from "./node.ts";
import type { SidecarProxyOptions } from "./options.ts";
import type { DataPlane } from "./plane.ts";

/** Ports of the admin pages on the workload's own address. */
export const adminPorts = { admin: 15_000, metrics: 15_020, ready: 15_021 } as const;

export function createDataPlane(options: SidecarProxyOptions): DataPlane {
  if (options.proxyless) return proxyless(options);
  const plane = options.envoy === undefined ? weft(options) : envoy(options);
  const { capture, registration: r } = options;
  if (capture === undefined) return plane;
  const v6 = capture.ipv6 ? (addressesFor(r.address)?.v6 ?? "::1") : undefined;
  const addresses = [r.address, ...(v6 === undefined ? [] : [v6])];
  return capturedPlane(plane, { ...options, capture, namespace: r.namespace, addresses });
}

function weft(options: SidecarProxyOptions): DataPlane {
  const { registration: r, clock, rng, log } = options;
  const metadata = nodeMetadata(r, options.version);
  const agent = createAgent({
    ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
    createWorker: options.createWorker,
    node: { id: nodeId(r), cluster: r.service, peer: peerOf(r), metadata },
    proxyCredential: options.proxyCredential,
    ...(options.accessLog && { accessLog: { stdout: options.accessLog } }),
    clock,
    rng,
    log,
    lockAddress: (host, port) => lockAddress({ host, port, owner: `weft run ${r.service}`, clock }),
  });
  return {
    sink: agent,
    metadata,
    start: () =>
      agent.started.catch((error: Error) => {
        throw new Problem("the proxy cannot run", {
          why: error.message,
          mend: "is there memory for its threads, and is the installation whole (`weft version`)?",
        });
      }),
    setSecret: (secret) => agent.setSecret(secret),
    ready: () => agent.ready(),
    unready: () => agent.unready(),
    // A thread that died leaves the others.
    serving: () => true,
    drain: (direction, deadlineMs) => agent.drain(direction, deadlineMs),
    prometheus: () => agent.prometheus(),
    on: (listener) => agent.on(listener),
    startAdmin: () =>
      startAdmin({
        agent,
        // Of a captured workload the address is others' to call as well.
        address: options.capture === undefined ? r.address : "127.0.0.1",
        port: adminPorts.admin,
        clock,
        log: log.child("admin"),
        version: options.version,
        bootstrapJson: JSON.stringify(bootstrapOf(options, metadata)),
      }),
    stop: () => agent.stop(),
  };
}

/** What Envoy's bootstrap would say: who this is, and where its configuration comes from. */
function bootstrapOf(
  { registration: r, plane, version }: SidecarProxyOptions,
  metadata: Readonly<Record<string, unknown>>,
): unknown {
  const at = (address: string, port: number): unknown => ({ socket_address: { address, port_value: port } });
  return {
    node: {
      id: nodeId(r),
      cluster: r.service,
      metadata,
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

function proxyless(options: SidecarProxyOptions): DataPlane {
  const { registration: r, clock } = options;
  const metadata = { ...nodeMetadata(r, options.version), ...generatorMetadata };
  let { xds } = options.plane;
  const plane = new ProxylessPlane({
    node: { id: nodeId(r), cluster: r.service },
    metadata,
    listen: { address: r.address, port: r.port },
    stateDir: options.stateDir,
    target: () => xds,
    clock,
    log: options.log.child("proxyless"),
  });
  return {
    sink: plane.sink,
    metadata,
    start: async () => plane.start(),
    setSecret: (secret) => plane.setSecret(secret),
    ready: () => plane.ready(),
    unready: () => plane.unready(),
    serving: () => true,
    // Callers know by now that it goes; what it still serves it finishes itself when it is signalled.
    drain: async () => ({ forced: 0 }),
    prometheus: () => plane.prometheus(),
    environment: (base) => plane.environment(base),
    moved: (now) => {
      ({ xds } = now);
    },
    on: (listener) => plane.on(listener),
    startAdmin: () => plane.startPages(r.address, adminPorts.admin),
    stop: () => plane.stop(),
  };
}

function envoy(options: SidecarProxyOptions): DataPlane {
  const { registration: r, clock, rng } = options;
  const log = options.log.child("envoy");
  const metadata = {
    ...nodeMetadata(r, options.version),
    [envoyContract.metadataKey]: envoyContract.metadataValue,
    ENVOY_VERSION: options.envoy!.version,
  };
  const plane = new EnvoyDataPlane({
    binary: options.envoy!,
    node: { id: nodeId(r), cluster: r.service },
    metadata,
    peerMetadata: peerMetadata(peerOf(r)),
    credential: { user: "weft", password: options.proxyCredential },
    stateDir: options.stateDir,
    concurrency: Math.min(options.concurrency ?? 2, availableParallelism()),
    ...(options.accessLog && { accessLog: options.accessLog }),
    ...{ clock, rng, log },
  });
  return {
    sink: plane.sink,
    metadata,
    start: () => plane.start(),
    setSecret: (secret) => plane.setSecret(secret),
    ready: () => plane.ready(),
    unready: () => plane.unready(),
    serving: () => plane.live,
    drain: (direction, deadlineMs) => plane.drain(direction, deadlineMs),
    prometheus: () => plane.prometheus(),
    on: (listener) => plane.on(listener),
    startAdmin: () => plane.startPages(r.address, adminPorts.admin, log.child("admin")),
    stop: () => plane.stop(),
  };
}
