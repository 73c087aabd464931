/** Real processes of a mesh, each with its log in one folder, to be killed and started again. */
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/index.ts";
import {
  createKubeClient,
  type KubeClient,
  type KubeObject,
  loadKubeconfig,
  refs,
} from "../../src/kube/client/index.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";

const root = join(import.meta.dir, "../..");
const weft = [process.execPath, join(root, "src/main.ts")];

export interface Member {
  readonly name: string;
  readonly address: string;
  readonly appPort: number;
  process: Bun.Subprocess;
  /** A request to its application, past the mesh. */
  tell(path: string): Promise<string>;
  /** Starts it as it was started before. */
  start(): void;
}

export interface Mesh {
  readonly dir: string;
  readonly client: KubeClient;
  /** Starts the control plane (and the API server with it), on whatever ports are free; resolves when it answers. */
  startDev(...flags: readonly string[]): Promise<void>;
  /** SIGKILL to what startDev started. */
  killDev(): Promise<void>;
  /** Where clients find the API server. */
  readonly kubeconfig: string;
  /** Starts `weft run` for the load application; resolves when the API server is told that it is ready. */
  add(service: string, version: string, ...flags: readonly string[]): Promise<Member>;
  /** Process id of API server and control plane. */
  readonly pid: number;
  /** The ends of all logs, for a failure's text; default 3,000 characters each. */
  logs(most?: number): string;
  stop(): Promise<void>;
}

interface Entry extends KubeObject {
  readonly spec: { readonly address: string };
}

/**
 * What killDev kills and startDev starts: `weft dev`, which is API server and control plane in one; or, where these are
 * processes of their own, one of them while the other stays.
 */
export type Victim = "both" | "control-plane" | "api-server";

class Processes implements Mesh {
  private readonly victim: Victim;
  private api: Bun.Subprocess | undefined;
  readonly dir = mkdtempSync(join(tmpdir(), "weft-faults-"));
  readonly kubeconfig = join(this.dir, "data/kubeconfig");
  private readonly names = new Set<string>();
  private readonly members: Member[] = [];
  private dev: Bun.Subprocess | undefined;
  private known: KubeClient | undefined;

  constructor(victim: Victim) {
    this.victim = victim;
  }

  get client(): KubeClient {
    this.known ??= createKubeClient(loadKubeconfig({ path: this.kubeconfig }), { clock: systemClock });
    return this.known;
  }

  private spawn(name: string, words: readonly string[]): Bun.Subprocess {
    return this.start(name, [...weft, ...words]);
  }

  private start(name: string, command: readonly string[]): Bun.Subprocess {
    this.names.add(name);
    const log = openSync(join(this.dir, `${name}.log`), "a", 0o600);
    const env: Record<string, string> = { ...(process.env as Record<string, string>) };
    for (const key of Object.keys(env)) if (/_proxy$/i.test(key)) delete env[key];
    return Bun.spawn([...command], {
      cwd: this.dir,
      env,
      stdin: "ignore",
      stdout: log,
      stderr: log,
      detached: true,
    });
  }

  async startDev(...flags: readonly string[]): Promise<void> {
    const first = this.dev === undefined;
    const before = first ? undefined : await this.told().catch(() => undefined);
    const any = ["--xds-port", "0", "--debug-port", "0", ...flags];
    if (this.victim === "both") {
      const ports = ["--api-port", "0", "--plain-xds-port", "0", ...any];
      this.dev = this.spawn("dev", ["dev", "--data-dir", join(this.dir, "data"), ...ports]);
    } else {
      if (first || this.victim === "api-server") await this.startApi();
      const strict = ["--kubeconfig", this.kubeconfig, "--default-mtls", "strict"];
      if (first || this.victim === "control-plane")
        this.dev = this.spawn("dev", ["control-plane", ...strict, ...any]);
    }
    // The control plane says anew where it is; one that stayed has nothing new to say.
    const stayed = !first && this.victim === "api-server";
    await eventually(async () => {
      const now = await this.told();
      return now !== undefined && (stayed || now !== before);
    }, 30_000);
  }

  private async startApi(): Promise<void> {
    const command = [process.execPath, join(import.meta.dir, "api-server.ts"), join(this.dir, "data"), "0"];
    this.api = this.start("api", command);
    await eventually(async () => existsSync(this.kubeconfig), 20_000);
  }

  /** Version of the ConfigMap that says where the control plane is: written anew at each start. */
  private async told(): Promise<string | undefined> {
    const map = await this.client.get<KubeObject>(refs.configMap, "weft-control-plane", "weft-system");
    return map.metadata.resourceVersion;
  }

  async killDev(): Promise<void> {
    const victim = this.victim === "api-server" ? this.api : this.dev;
    victim?.kill("SIGKILL");
    await victim?.exited;
  }

  async add(service: string, version: string, ...flags: readonly string[]): Promise<Member> {
    const name = `${service}-${version}`;
    const start = (): Bun.Subprocess =>
      this.spawn(name, [
        ...[
          "run",
          "--kubeconfig",
          this.kubeconfig,
          "--service",
          service,
          "--version",
          version,
          "--port",
          "9080",
        ],
        ...["--concurrency", "1", "--ready-path", "/healthz", "--state-dir", join(this.dir, "state", name)],
        ...flags,
        ...["--", process.execPath, join(import.meta.dir, "load.ts"), service, version],
      ]);
    const process_ = start();
    const entry = await eventually(async () => {
      if (process_.exitCode !== null) throw new Error(`${name} ended:\n${this.logs()}`);
      const { items } = await this.client.listAll<Entry>(refs.workloadEntry, { namespace: "default" });
      return items.find(
        (e) =>
          e.metadata.name.startsWith(`${name}-`) && e.metadata.annotations?.["weft.dev/ready"] === "true",
      );
    }, 30_000);
    const appPort = Number(entry.metadata.annotations?.["weft.dev/app-port"]);
    const member: Member = {
      name,
      address: entry.spec.address,
      appPort,
      process: process_,
      tell: async (path) => (await fetch(`http://127.0.0.1:${appPort}${path}`)).text(),
      start: () => {
        member.process = start();
      },
    };
    this.members.push(member);
    return member;
  }

  get pid(): number {
    return this.dev?.pid ?? 0;
  }

  logs(most = 3_000): string {
    return [...this.names]
      .map((name) => `--- ${name}\n${readFileSync(join(this.dir, `${name}.log`), "utf8").slice(-most)}`)
      .join("\n");
  }

  async stop(): Promise<void> {
    const end = async (p: Bun.Subprocess | undefined): Promise<void> => {
      if (p === undefined || p.exitCode !== null || p.signalCode !== null) return;
      p.kill("SIGTERM");
      const late = systemClock.after(12_000, () => p.kill("SIGKILL"));
      await p.exited;
      late.cancel();
    };
    await Promise.all(this.members.map((m) => end(m.process)));
    await end(this.dev);
    await end(this.api);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function createMesh(victim: Victim = "both"): Mesh {
  return new Processes(victim);
}
