/** Objects -> mesh, when it is time; and the mesh -> each proxy's resources, when it asks. */
import type { Clock, Logger, Timer } from "../../base/index.ts";
import type { EncodedResource, NodeInfo } from "../../xds/protocol/index.ts";
import type { Mesh } from "../model/index.ts";
import { createRenderer, type ProxyNode, type Rendered } from "../render/index.ts";
import {
  buildSnapshot,
  type KubeObject,
  type KubeSnapshot,
  type ObjectStatus,
  refreshEndpoints,
  type TranslateOptions,
  translate,
} from "../translate/index.ts";
import { Debounce } from "./debounce.ts";
import { keepSame } from "./keep.ts";
import { limits } from "./limits.ts";
import { proxyNodeOf } from "./proxy-node.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly translate: TranslateOptions;
  readonly objects: () => readonly KubeObject[];
  /** Looks at leases and readiness before each translation; says when to look again. */
  readonly review: () => { changed: boolean; nextAt: number | undefined };
  /** After each translation; `changed`: the mesh is another than before. */
  readonly onMesh: (changed: boolean) => void;
}

interface NodeCache {
  readonly mesh: Mesh;
  readonly rendered: Rendered;
}

export class Engine {
  snapshot: KubeSnapshot | undefined;
  mesh: Mesh | undefined;
  statuses: readonly ObjectStatus[] = [];
  /** Translations since the start, long and short way. */
  translations = 0;
  refreshes = 0;
  /** Wall clock of the last one, and how long it took. */
  lastAt: number | undefined;
  lastMs = 0;
  private readonly options: EngineOptions;
  private readonly renderer = createRenderer();
  private readonly nodes = new WeakMap<NodeInfo, NodeCache>();
  private readonly proxies = new WeakMap<NodeInfo, ProxyNode>();
  private readonly debounce: Debounce;
  private stale = true;
  private started = false;
  private review: Timer | undefined;

  constructor(options: EngineOptions) {
    this.options = options;
    this.debounce = new Debounce(options.clock, () => this.run());
  }

  /** Something changed. Before `start` nothing happens: a mesh of half the objects is worse than none. */
  changed(what: "config" | "endpoints"): void {
    if (what === "config") this.stale = true;
    if (!this.started) return;
    if (what === "config") this.debounce.call(limits.configQuietMs, limits.configMaxMs);
    else this.debounce.call(limits.endpointsQuietMs, limits.endpointsMaxMs);
  }

  start(): void {
    this.started = true;
    this.run();
  }

  stop(): void {
    this.started = false;
    this.debounce.cancel();
    this.review?.cancel();
  }

  private run(): void {
    const { clock, log } = this.options;
    const began = clock.now();
    const before = this.mesh;
    this.schedule(this.options.review().nextAt);
    try {
      this.snapshot = buildSnapshot(this.options.objects());
      if (this.stale || this.mesh === undefined) this.translate(this.snapshot);
      else {
        this.mesh = keepSame(this.mesh, refreshEndpoints(this.mesh, this.snapshot, this.options.translate));
        this.refreshes++;
        // What statuses say of subsets follows when things are quiet.
        this.stale = true;
        this.debounce.call(limits.configMaxMs, limits.configMaxMs);
      }
    } catch (error) {
      // A bug in a translator: the last mesh stays, nobody loses configuration.
      log.error("translation failed; the last configuration stays", { error });
    }
    this.lastAt = clock.wall();
    this.lastMs = clock.now() - began;
    this.options.onMesh(this.mesh !== before);
  }

  private translate(snapshot: KubeSnapshot): void {
    this.stale = false;
    const { mesh, statuses } = translate(snapshot, this.options.translate);
    this.mesh = keepSame(this.mesh, mesh);
    this.statuses = statuses;
    this.translations++;
  }

  private schedule(nextAt: number | undefined): void {
    this.review?.cancel();
    this.review = undefined;
    if (nextAt === undefined) return;
    const { clock } = this.options;
    this.review = clock.after(Math.max(1, nextAt - clock.now()), () => {
      const { changed, nextAt: next } = this.options.review();
      if (changed) this.changed("endpoints");
      else this.schedule(next);
    });
  }

  proxy(node: NodeInfo): ProxyNode | undefined {
    const known = this.proxies.get(node) ?? proxyNodeOf(node);
    if (known !== undefined) this.proxies.set(node, known);
    return known;
  }

  /** What the node is to have now; undefined before the first translation and for a node without an identity. */
  resources(node: NodeInfo, typeUrl: string): ReadonlyMap<string, EncodedResource> | undefined {
    const rendered = this.rendered(node);
    return rendered === undefined ? undefined : (rendered.get(typeUrl) ?? new Map());
  }

  private rendered(node: NodeInfo): Rendered | undefined {
    const { mesh } = this;
    const proxy = this.proxy(node);
    if (mesh === undefined || proxy === undefined) return undefined;
    const cached = this.nodes.get(node);
    if (cached?.mesh === mesh) return cached.rendered;
    try {
      const rendered = this.renderer.render(mesh, proxy);
      this.nodes.set(node, { mesh, rendered });
      return rendered;
    } catch (error) {
      this.options.log.error("rendering failed; the proxy keeps what it has", { node: node.id, error });
      return cached?.rendered;
    }
  }
}
