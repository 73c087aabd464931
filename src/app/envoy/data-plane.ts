/** A stock Envoy as the proxy of a sidecar: the same listeners and routes, its process and secrets kept by the agent. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, delay, type Logger, type Rng } from "../../base/index.ts";
import { envoyContract } from "../../mesh/render/index.ts";
import type { Admin } from "../../proxy/admin/index.ts";
import { createGrpcServer, type GrpcServer } from "../../wire/grpc/index.ts";
import type { ConfigSink } from "../../xds/client/index.ts";
import { createXdsServer } from "../../xds/server/index.ts";
import { type EnvoyAdmin, envoyAdmin, startPages, sumOf } from "./admin.ts";
import type { EnvoyBinary } from "./binary.ts";
import { envoyBootstrap } from "./bootstrap.ts";
import { limits } from "./limits.ts";
import { EnvoyProcess } from "./process.ts";
import { Relay, type SecretTexts } from "./relay.ts";

export interface EnvoyOptions {
  readonly binary: EnvoyBinary;
  readonly node: { readonly id: string; readonly cluster: string };
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Value of x-envoy-peer-metadata. */
  readonly peerMetadata: string;
  readonly credential: { readonly user: string; readonly password: string };
  readonly stateDir: string;
  readonly concurrency?: number;
  readonly accessLog?: (text: string) => void;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

/** Threads that Weft's proxy has by default, too. */
const defaultConcurrency = 2;

export class EnvoyDataPlane {
  /** Where the xDS client's updates go. */
  readonly sink: ConfigSink;
  private readonly options: EnvoyOptions;
  private readonly relay: Relay;
  private readonly process: EnvoyProcess;
  private readonly admin: EnvoyAdmin;
  private readonly listeners = new Set<() => void>();
  private readonly dir: string;
  private readonly agentSocket: string;
  private server: GrpcServer | undefined;
  private draining = false;

  constructor(options: EnvoyOptions) {
    this.options = options;
    const { clock, log, stateDir } = options;
    this.relay = new Relay({ clock, log });
    this.sink = this.relay;
    this.dir = socketDir(stateDir);
    this.agentSocket = join(this.dir, "agent.sock");
    const adminSocket = join(this.dir, "envoy.sock");
    this.admin = envoyAdmin(adminSocket);
    const configFile = join(stateDir, "envoy.json");
    const { node, metadata } = options;
    const bootstrap = envoyBootstrap({ node, metadata, agentSocket: this.agentSocket, adminSocket });
    writeFileSync(configFile, `${JSON.stringify(bootstrap, null, 1)}\n`, { mode: 0o600 });
    this.process = new EnvoyProcess({
      binary: options.binary,
      configFile,
      pidFile: join(stateDir, "envoy.pid"),
      concurrency: options.concurrency ?? Math.min(defaultConcurrency, availableParallelism()),
      env: this.environment(),
      ...(options.accessLog && { stdout: options.accessLog }),
      ...{ clock, rng: options.rng, log },
      isLive: () =>
        this.admin.ask("/ready").then(
          ({ status }) => status === 200,
          () => false,
        ),
      onChange: () => this.changed(),
    });
  }

  /** Opens the sockets, then starts Envoy; live comes later. */
  async start(): Promise<void> {
    const { clock, log } = this.options;
    // Who can open a socket of mode 0600 in a folder of mode 0700 is this user.
    const xds = createXdsServer({ source: this.relay, authenticate: async () => undefined, clock, log });
    this.server = await createGrpcServer({
      ...{ host: "", port: 0, path: this.agentSocket },
      methods: xds.methods,
      ...{ clock, log },
    });
    this.process.start();
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get restarts(): number {
    return this.process.restarts;
  }

  /** It accepts connections. */
  get live(): boolean {
    return this.process.state === "live";
  }

  setSecret(secret: SecretTexts): Promise<void> {
    this.relay.setSecret(secret);
    return Promise.resolve();
  }

  ready(): boolean {
    return this.unready().length === 0;
  }

  unready(): readonly string[] {
    const { state, lastDeath, complaint } = this.process;
    const why: string[] = [];
    if (state === "dead")
      why.push(`Envoy died (${[lastDeath, complaint].filter(Boolean).join(": ")}) and is started again`);
    else if (state !== "live") why.push(`Envoy is ${state}`);
    if (this.draining) why.push("draining");
    return why;
  }

  on(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Envoy's page, then what the agent knows of it. */
  async prometheus(): Promise<string> {
    const page = await this.admin.ask("/stats/prometheus").catch(() => ({ status: 503, text: "" }));
    const own = (name: string, kind: string, help: string, value: number): string =>
      `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${name} ${value}\n`;
    return [
      page.status === 200 && page.text !== "" ? `${page.text.trimEnd()}\n` : "# Envoy does not answer\n",
      own("weft_envoy_live", "gauge", "1 when Envoy is ready.", this.ready() ? 1 : 0),
      own("weft_envoy_restarts_total", "counter", "Envoys started again.", this.process.restarts),
      own("weft_refused_responses_total", "counter", "Responses that Envoy refused.", this.relay.refused),
    ].join("");
  }

  startPages(address: string, port: number, log: Logger): Admin {
    return startPages({ admin: this.admin, address, port, log });
  }

  /**
   * Inbound: listeners close, answers carry `connection: close`, requests in flight finish. Outbound stays open; its
   * requests are waited for. Resolves with the requests that were not finished in time.
   */
  async drain(direction: "inbound" | "outbound" | "all", deadlineMs: number): Promise<{ forced: number }> {
    const { clock } = this.options;
    this.draining = true;
    const end = clock.now() + deadlineMs;
    const prefix = direction === "all" ? "" : direction === "inbound" ? "inbound_" : "http_proxy";
    try {
      if (direction !== "outbound") {
        const which = direction === "inbound" ? "inboundonly" : "";
        // The first for `connection: close` in answers, the second because listeners stay open for its second.
        await this.admin.ask(`/drain_listeners?graceful&${which}`, "POST");
        await this.admin.ask(`/drain_listeners?${which}`, "POST");
      }
      for (;;) {
        const active = await sumOf(this.admin, `^http\\.${prefix}.*downstream_rq_active$`);
        if (active === 0 || clock.now() >= end) return { forced: active };
        await delay(clock, limits.lookMs);
      }
    } catch {
      // Envoy is gone: nothing is left to wait for.
      return { forced: 0 };
    }
  }

  async stop(): Promise<void> {
    await this.process.stop();
    this.relay.setLive(false);
    await this.server?.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private changed(): void {
    const { state } = this.process;
    this.relay.setLive(state === "starting" || state === "live");
    for (const listener of this.listeners) listener();
  }

  private environment(): Record<string, string> {
    const { credential, peerMetadata, node } = this.options;
    const hash = createHash("sha1").update(credential.password).digest("base64");
    return {
      [envoyContract.usersVariable]: `${credential.user}:{SHA}${hash}`,
      [envoyContract.peerVariable]: peerMetadata,
      [envoyContract.peerIdVariable]: node.id,
    };
  }
}

/** A folder of mode 0700 for the sockets: in the state folder, else, where its path is too long, a temporary one. */
function socketDir(stateDir: string): string {
  const inside = join(stateDir, "sockets-");
  const fits = inside.length + "xxxxxx/agent.sock".length <= limits.maxSocketPath;
  return mkdtempSync(fits ? inside : join(tmpdir(), "weft-envoy-"));
}
