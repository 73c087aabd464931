import type { Mesh } from "../model/index.ts";
import type { ProxyNode, Rendered } from "./types.ts";

export interface Renderer {
  /** Everything that this proxy is to have. Resources that did not change are the same objects as before. */
  render(mesh: Mesh, node: ProxyNode): Rendered;
}

/** A renderer with its own cache of encodings; keep one per control plane. */
export declare function createRenderer(): Renderer;

/** For one-off use. */
export declare function renderFor(mesh: Mesh, node: ProxyNode): Rendered;
