/** `weft proxy -c FILE`: the proxy alone, from one file. */
import type { Clock, Logger, Rng } from "../../base/index.ts";
import { type Admin, startAdmin } from "../admin/index.ts";
import { type Agent, type AgentOptions, createAgent, type DataThread } from "../agent/index.ts";
import type { Peer } from "../config/index.ts";
import type { Discovery } from "../discovery/index.ts";
import { compileFile, compileInChild } from "./compile-child.ts";
import type { BootstrapProblem, BootstrapResult, CompiledBootstrap } from "./types.ts";

export interface StandaloneOptions {
  readonly file: string;
  readonly createWorker: () => DataThread;
  /** Command that starts this program; without it the file is compiled in this process, at the cost of its memory. */
  readonly self?: readonly string[];
  readonly concurrency?: number;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly lockAddress?: AgentOptions["lockAddress"];
  readonly version: string;
}

export interface Standalone {
  readonly agent: Agent;
  /** Absent where the file says all. */
  readonly discovery?: Discovery;
  /** Absent where the bootstrap has no admin. */
  readonly admin?: Admin;
  readonly warnings: readonly BootstrapProblem[];
  stop(): Promise<void>;
}

/** The user's mistakes, or what could not be started, as data. */
export type StandaloneResult =
  | { readonly ok: true; readonly proxy: Standalone }
  | {
      readonly ok: false;
      readonly errors: readonly BootstrapProblem[];
      readonly warnings: readonly BootstrapProblem[];
    };

/** Who a proxy is that stands alone: what its node metadata says in Istio's keys, or nobody. */
function peerOf(bootstrap: CompiledBootstrap): Peer {
  const { metadata, cluster } = bootstrap.node;
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const labels = (metadata["LABELS"] ?? {}) as Readonly<Record<string, unknown>>;
  return {
    workload: text(metadata["WORKLOAD_NAME"]),
    namespace: text(metadata["NAMESPACE"]),
    app: text(labels["app"]),
    version: text(labels["version"]),
    service: text(labels["service.istio.io/canonical-name"]) || text(labels["app"]),
    revision: text(labels["service.istio.io/canonical-revision"]) || text(labels["version"]),
    cluster: text(metadata["CLUSTER_ID"]) || cluster,
  };
}

function failure(
  file: string,
  result: BootstrapResult,
  errors: readonly { name: string; message: string }[],
): StandaloneResult {
  const where = { file, line: 1, column: 1, text: "" };
  return {
    ok: false,
    errors: errors.map((e) => ({ path: e.name, message: e.message, where })),
    warnings: result.warnings,
  };
}

/** Compiles, starts the threads, and resolves when the listeners serve. */
export async function startStandalone(options: StandaloneOptions): Promise<StandaloneResult> {
  const { file, self, clock, rng, log } = options;
  const result = self ? await compileInChild(file, self, clock) : await compileFile(file);
  if (!result.ok) return result;
  const { bootstrap } = result;
  const agent = createAgent({
    createWorker: options.createWorker,
    ...(options.concurrency !== undefined ? { concurrency: options.concurrency } : {}),
    ...(options.lockAddress ? { lockAddress: options.lockAddress } : {}),
    owner: `weft proxy ${file}`,
    node: { ...bootstrap.node, peer: peerOf(bootstrap) },
    clock,
    rng,
    log,
  });
  try {
    await agent.started;
  } catch (e) {
    await agent.stop();
    return failure(file, result, [{ name: "threads", message: e instanceof Error ? e.message : String(e) }]);
  }
  const { errors } = await agent.applyCompiled({
    resources: bootstrap.resources,
    secrets: bootstrap.secrets,
    complete: bootstrap.discovery?.listeners === undefined,
  });
  if (errors.length > 0) {
    await agent.stop();
    return failure(file, result, errors);
  }
  let admin: Admin | undefined;
  if (bootstrap.admin) {
    try {
      admin = startAdmin({
        agent,
        ...bootstrap.admin,
        clock,
        log: log.child("admin"),
        version: options.version,
        bootstrapJson: bootstrap.json,
      });
    } catch (e) {
      await agent.stop();
      return failure(file, result, [
        { name: "admin.address", message: e instanceof Error ? e.message : String(e) },
      ]);
    }
  }
  const discovery = await discover(options, bootstrap, agent);
  const parts = { agent, ...(discovery ? { discovery } : {}), ...(admin ? { admin } : {}) };
  return { ok: true, proxy: standalone(parts, result.warnings) };
}

/** Loaded where it is needed: a proxy that runs from a file alone never needs protobuf. */
async function discover(
  { clock, rng, log, version }: StandaloneOptions,
  { discovery, node }: CompiledBootstrap,
  agent: Agent,
): Promise<Discovery | undefined> {
  if (discovery === undefined) return undefined;
  const { startDiscovery } = await import("../discovery/index.ts");
  const identity = { ...node, version };
  return startDiscovery({
    config: discovery,
    node: identity,
    sink: agent,
    clock,
    rng,
    log: log.child("xds"),
  });
}

function standalone(
  parts: Pick<Standalone, "agent" | "discovery" | "admin">,
  warnings: readonly BootstrapProblem[],
): Standalone {
  const { agent, admin, discovery } = parts;
  return {
    ...parts,
    warnings,
    async stop() {
      await discovery?.stop();
      await admin?.stop();
      await agent.stop();
    },
  };
}
