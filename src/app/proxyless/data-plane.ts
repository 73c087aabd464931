/** What stands in for a proxy where the application speaks xDS itself: its identity as files, and a way to xDS. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Clock, Logger } from "../../base/index.ts";
import { type Admin, refuse } from "../../proxy/admin/index.ts";
import type { ConfigSink } from "../../xds/client/index.ts";
import { grpcBootstrap } from "./bootstrap.ts";
import { certificatePaths, writeCertificates } from "./certificate-files.ts";
import { limits } from "./limits.ts";
import { Relay } from "./relay.ts";

export interface ProxylessOptions {
  readonly node: { readonly id: string; readonly cluster: string };
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Address that the application is to listen on, and the service's port. */
  readonly listen: { readonly address: string; readonly port: number };
  readonly stateDir: string;
  /** `host:port` of the control plane as it is now. */
  readonly target: () => string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface SecretTexts {
  readonly name: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  readonly caPem?: string;
}

export class ProxylessPlane {
  /** The agent's own stream is there so that its state is known; it is told nothing. */
  readonly sink: ConfigSink = { apply: async () => ({ errors: [] }) };
  private readonly options: ProxylessOptions;
  private readonly relay: Relay;
  private readonly socket: string;
  private readonly bootstrapFile: string;
  private readonly bootstrap: unknown;
  private readonly listeners = new Set<() => void>();
  private own: { readonly certPem: string; readonly keyPem: string } | undefined;
  private roots: string | undefined;

  constructor(options: ProxylessOptions) {
    this.options = options;
    const { stateDir, node, metadata, target, clock, log } = options;
    this.socket = socketPath(stateDir);
    this.relay = new Relay({ path: this.socket, target, clock, log });
    this.bootstrapFile = join(stateDir, "grpc-bootstrap.json");
    const certificates = certificatePaths(this.certificates);
    this.bootstrap = grpcBootstrap({ node, metadata, socket: this.socket, certificates });
  }

  private get certificates(): string {
    return join(this.options.stateDir, "certificates");
  }

  start(): void {
    mkdirSync(this.options.stateDir, { recursive: true, mode: 0o700 });
    writeFileSync(this.bootstrapFile, `${JSON.stringify(this.bootstrap, null, 1)}\n`, { mode: 0o600 });
    this.relay.start();
  }

  /** What the application inherits, the bootstrap file, and where it is to listen. */
  environment(base: Readonly<Record<string, string | undefined>>): Record<string, string> {
    const { address, port } = this.options.listen;
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(base)) if (value !== undefined) env[name] = value;
    return { ...env, GRPC_XDS_BOOTSTRAP: this.bootstrapFile, HOST: address, PORT: String(port) };
  }

  /** Own certificate and roots come one after the other; files are written when both are there. */
  setSecret({ certPem, keyPem, caPem }: SecretTexts): Promise<void> {
    const changed = (caPem ?? this.roots) !== this.roots || certPem !== undefined;
    if (caPem !== undefined) this.roots = caPem;
    if (certPem !== undefined && keyPem !== undefined) this.own = { certPem, keyPem };
    if (!changed || this.own === undefined || this.roots === undefined) return Promise.resolve();
    const identity = { ...this.own, caPem: this.roots };
    writeCertificates(this.certificates, identity);
    this.relay.setIdentity(identity);
    for (const tell of this.listeners) tell();
    return Promise.resolve();
  }

  ready(): boolean {
    return this.relay.hasIdentity;
  }

  unready(): readonly string[] {
    return this.ready() ? [] : ["there is no certificate yet"];
  }

  on(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  prometheus(): string {
    return [
      "# HELP weft_proxyless_streams Connections of the application to the control plane.",
      "# TYPE weft_proxyless_streams gauge",
      `weft_proxyless_streams ${this.relay.connections}`,
      "",
    ].join("\n");
  }

  /** Pages in Envoy's shape: what the application was started with; what it runs on only its own library knows. */
  startPages(address: string, port: number): Admin {
    const pages: Readonly<Record<string, () => unknown>> = {
      "/config_dump": () => ({
        configs: [
          { "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", bootstrap: this.bootstrap },
          { "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", static_secrets: this.secrets() },
        ],
      }),
      "/clusters": () => ({ cluster_statuses: [] }),
    };
    const server = Bun.serve({
      hostname: address,
      port,
      development: false,
      maxRequestBodySize: 0,
      fetch: (request) => {
        const page = pages[new URL(request.url).pathname];
        const refused = refuse(request, false);
        if (refused) return refused;
        if (page === undefined) return new Response(`${Object.keys(pages).join("\n")}\n`, { status: 404 });
        return Response.json(page());
      },
    });
    return { port: server.port ?? 0, stop: () => server.stop(true) };
  }

  /** Keys never leave. */
  private secrets(): readonly unknown[] {
    const chain = this.own && { certificate_chain: { inline_string: this.own.certPem } };
    const roots = this.roots && { trusted_ca: { inline_string: this.roots } };
    return [
      ...(chain ? [{ name: "default", secret: { name: "default", tls_certificate: chain } }] : []),
      ...(roots ? [{ name: "ROOTCA", secret: { name: "ROOTCA", validation_context: roots } }] : []),
    ];
  }

  async stop(): Promise<void> {
    this.relay.stop();
    rmSync(this.bootstrapFile, { force: true });
    const folder = dirname(this.socket);
    if (folder !== this.options.stateDir) rmSync(folder, { recursive: true, force: true });
  }
}

/** In the state folder; where its path is too long, in a folder of mode 0700 of its own. */
function socketPath(stateDir: string): string {
  const inside = join(stateDir, "xds.sock");
  return inside.length <= limits.maxSocketPath
    ? inside
    : join(mkdtempSync(join(tmpdir(), "weft-xds-")), "xds.sock");
}
