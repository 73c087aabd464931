/** The control plane: what the API server holds becomes what each proxy gets, and what came of it is told back. */
import type { Clock, Logger, Rng } from "../../base/index.ts";
import type { KubeClient } from "../../kube/client/index.ts";
import { type EncodedResource, type Nack, type NodeInfo, typeUrl } from "../../xds/protocol/index.ts";
import type { ResourceSource } from "../../xds/server/index.ts";
import type { Mesh } from "../model/index.ts";
import { isServerListener } from "../render/index.ts";
import type { KubeSnapshot, ObjectStatus, TranslateOptions } from "../translate/index.ts";
import { Engine } from "./engine.ts";
import { Inputs } from "./inputs.ts";
import { type Refusal, Refusals } from "./refusals.ts";
import { StatusWriter } from "./status-writer.ts";

export interface ControlPlaneOptions {
  readonly client: Pick<KubeClient, "listAll" | "watch" | "patch" | "delete">;
  /** `namespace/name` of the Lease that this process renews; see Inputs. */
  readonly heartbeat?: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly translate?: TranslateOptions;
}

export interface ControlPlaneInfo {
  /** Long translations, and endpoints by the short way. */
  readonly translations: number;
  readonly refreshes: number;
  /** Wall clock of the last one, ms since the epoch, and its duration in ms. */
  readonly lastAt: number | undefined;
  readonly lastMs: number;
  readonly services: number;
  readonly workloads: number;
  readonly connected: number;
}

export interface ControlPlane {
  /** Resolves after the first translation of a complete listing; until then nobody is sent anything. */
  start(): Promise<void>;
  stop(): void;
  /** For createXdsServer. */
  readonly source: ResourceSource;
  /** What the last translation saw and made; undefined before the first. */
  readonly snapshot: KubeSnapshot | undefined;
  readonly mesh: Mesh | undefined;
  readonly statuses: readonly ObjectStatus[];
  /** Object (`Kind/namespace/name`) -> what proxies refuse of it now. */
  refusals(): ReadonlyMap<string, readonly Refusal[]>;
  info(): ControlPlaneInfo;
}

/** Listener of mutual TLS, those of plaintext ports, a gRPC server's own: with one of them callers can be served. */
const isInbound = (listener: string): boolean =>
  listener === "mesh_inbound" || listener.startsWith("inbound_") || isServerListener(listener);

class Plane implements ControlPlane, ResourceSource {
  readonly source: ResourceSource = this;
  private readonly inputs: Inputs;
  private readonly engine: Engine;
  private readonly writer: StatusWriter;
  private readonly nacks = new Refusals();
  private readonly subscribers = new Map<NodeInfo, (urls: "all") => void>();

  constructor(options: ControlPlaneOptions) {
    const { client, clock, rng, log } = options;
    const { heartbeat } = options;
    this.inputs = new Inputs({
      ...{ client, clock, rng, log, heartbeat },
      onChange: (what) => this.engine.changed(what),
    });
    this.engine = new Engine({
      clock,
      log,
      translate: options.translate ?? {},
      objects: () => this.inputs.objects(),
      review: () => this.inputs.review(),
      onMesh: (changed) => this.publish(changed),
    });
    this.writer = new StatusWriter({
      client,
      clock,
      log,
      current: (ref, namespace, name) => this.inputs.object(ref, namespace, name),
    });
  }

  async start(): Promise<void> {
    await this.inputs.start();
    this.engine.start();
  }

  stop(): void {
    this.inputs.stop();
    this.engine.stop();
    this.writer.stop();
  }

  get snapshot(): KubeSnapshot | undefined {
    return this.engine.snapshot;
  }

  get mesh(): Mesh | undefined {
    return this.engine.mesh;
  }

  get statuses(): readonly ObjectStatus[] {
    return this.engine.statuses;
  }

  refusals(): ReadonlyMap<string, readonly Refusal[]> {
    return this.nacks.byObject();
  }

  info(): ControlPlaneInfo {
    const { translations, refreshes, lastAt, lastMs, mesh } = this.engine;
    return {
      translations,
      refreshes,
      lastAt,
      lastMs,
      services: mesh?.services.length ?? 0,
      workloads: mesh?.workloads.length ?? 0,
      connected: this.subscribers.size,
    };
  }

  private publish(changed: boolean): void {
    if (changed) for (const tell of this.subscribers.values()) tell("all");
    this.tellStatuses();
  }

  private tellStatuses(): void {
    this.writer.want(this.engine.statuses, this.nacks.byObject());
  }

  // ResourceSource

  resources(node: NodeInfo, url: string): ReadonlyMap<string, EncodedResource> | undefined {
    return this.engine.resources(node, url);
  }

  subscribe(node: NodeInfo, onChange: (urls: ReadonlySet<string> | "all") => void): () => void {
    this.subscribers.set(node, onChange);
    return () => this.subscribers.delete(node);
  }

  onAck(node: NodeInfo, url: string, versions: ReadonlyMap<string, string>): void {
    const resources = this.engine.resources(node, url) ?? new Map();
    if (this.nacks.ack(node, url, versions, resources)) this.tellStatuses();
    if (url !== typeUrl.listener) return;
    const proxy = this.engine.proxy(node);
    if (proxy === undefined || ![...versions.keys()].some(isInbound)) return;
    const entry = this.inputs.workloadEntry(proxy.namespace, proxy.workload);
    const account = (entry?.spec as { serviceAccount?: unknown } | undefined)?.serviceAccount ?? "default";
    // Another account of the namespace may not speak for the workload.
    if (entry === undefined || account !== proxy.serviceAccount) return;
    if (this.inputs.acked(proxy.namespace, proxy.workload)) this.engine.changed("endpoints");
  }

  onNack(node: NodeInfo, url: string, nack: Nack): void {
    this.nacks.nack(node, url, nack, this.engine.resources(node, url) ?? new Map());
    this.tellStatuses();
  }

  onDisconnect(node: NodeInfo): void {
    if (this.nacks.forget(node)) this.tellStatuses();
  }
}

/** Nothing happens before start(). */
export function createControlPlane(options: ControlPlaneOptions): ControlPlane {
  return new Plane(options);
}
