/** Mesh -> Envoy v3 resources for one proxy. */
export { envoyContract } from "./envoy.ts";
export { isServerListener, serverListenerTemplate } from "./grpc/names.ts";
export { certificateProvider } from "./grpc/tls.ts";
export { createRenderer, type Renderer, renderFor } from "./render.ts";
export { type ProxyNode, type Rendered, type RenderedResource, typeUrls } from "./types.ts";
