/** Where the configuration to show comes from: a file, an admin address, or an instance by its name. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { exitStatus, Problem } from "../../app/problem/index.ts";
import { type Dump, readDump } from "../../explain/dump/index.ts";
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { near } from "../kind-index.ts";

export interface ReachFlags extends ClientFlags {
  readonly file?: string;
  readonly admin?: string;
}

export interface Reached {
  readonly dump: Dump;
  /** As the proxy or the file gave it: `configs`, and `cluster_statuses` where they were there. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** Port of the admin pages on a workload's address; Istio's and Envoy's convention. */
const adminPort = 15_000;
/** A proxy that hangs must not hang the command. */
const answerMs = 10_000;
/** Of a dump: a thousand services are some 10 MB. */
const maxDumpBytes = 256 * 2 ** 20;

export async function reach(
  context: CliContext,
  flags: ReachFlags,
  instance: string | undefined,
): Promise<Reached> {
  const given = [instance, flags.file, flags.admin].filter((v) => v !== undefined);
  if (given.length !== 1)
    throw new Problem("name one of: an instance, --file, --admin", {
      mend: "`weft proxy-status` lists the instances",
      exit: exitStatus.usage,
    });
  if (flags.file !== undefined) return fromFile(resolve(context.cwd, flags.file), flags.file);
  if (flags.admin !== undefined) return fromAdmin(flags.admin, flags.admin);
  const { client, namespace } = openSession(context, flags);
  const found = await findInstance(client, instance!, namespace);
  return fromAdmin(
    found.address.includes(":") ? `[${found.address}]:${adminPort}` : `${found.address}:${adminPort}`,
    found.name,
  );
}

function fromFile(path: string, given: string): Reached {
  try {
    return understood(JSON.parse(readFileSync(path, "utf8")), given);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(`${given} cannot be read`, { why: String(error), exit: exitStatus.data });
  }
}

function understood(raw: unknown, from: string): Reached {
  const dump = readDump(raw);
  if (dump === undefined)
    throw new Problem(`${from} holds no configuration of a proxy`, {
      why: "neither `configs` nor `cluster_statuses` is in it",
      mend: "save one: curl 'http://127.0.0.1:15000/config_dump?include_eds' > dump.json",
      exit: exitStatus.data,
    });
  return { dump, raw: raw as Reached["raw"] };
}

async function fromAdmin(address: string, name: string): Promise<Reached> {
  const [config, clusters] = await Promise.all([
    ask(address, "/config_dump?include_eds", name),
    ask(address, "/clusters?format=json", name),
  ]);
  return understood({ ...config, ...clusters }, `the admin page at ${address}`);
}

async function ask(address: string, path: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const fail = (why: string): never => {
    throw new Problem(`the admin pages of ${name} at ${address} do not answer`, {
      why,
      mend: "ask on the machine where it runs, or save a dump there and show it with --file",
    });
  };
  try {
    const response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(answerMs) });
    if (!response.ok) return fail(`${path}: ${response.status} ${(await response.text()).trim()}`);
    if (Number(response.headers.get("content-length") ?? 0) > maxDumpBytes)
      return fail(`${path} is too long`);
    return (await response.json()) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (error instanceof Problem) throw error;
    return fail(error instanceof Error ? error.message : String(error));
  }
}

interface Instance {
  /** `name.namespace`. */
  readonly name: string;
  readonly address: string;
  readonly app: string;
}

interface Entry extends KubeObject {
  readonly spec?: { readonly address?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly status?: { readonly podIP?: string };
}

/** `NAME`, `NAME.NAMESPACE` or `KIND/NAME`; the name of a service (label `app`) where it has one instance. */
async function findInstance(client: KubeClient, given: string, namespace: string): Promise<Instance> {
  const wanted = given.slice(given.indexOf("/") + 1);
  const all = await instances(client);
  const full = wanted.includes(".") ? wanted : `${wanted}.${namespace}`;
  const exact = all.find((i) => i.name === full);
  if (exact) return exact;
  const ofService = all.filter((i) => i.app === full);
  if (ofService.length === 1) return ofService[0]!;
  const names = (ofService.length > 0 ? ofService : all).map((i) => i.name);
  const close = ofService.length > 0 ? names : near(wanted, names);
  throw new Problem(
    ofService.length > 0
      ? `${wanted} has ${names.length} instances`
      : `no instance ${wanted} in namespace ${full.slice(full.indexOf(".") + 1)}`,
    {
      mend:
        close.length > 0
          ? `name one: ${close.join(", ")}`
          : names.length > 0
            ? `there are: ${names.slice(0, 20).join(", ")}`
            : "`weft run` starts one",
      exit: exitStatus.data,
    },
  );
}

async function instances(client: KubeClient): Promise<readonly Instance[]> {
  const none = (error: unknown): { items: readonly Entry[] } => {
    if (isKubeError(error, 404)) return { items: [] };
    throw error;
  };
  const lists = await Promise.all(
    [refs.workloadEntry, refs.pod].map((ref) => client.listAll<Entry>(ref).catch(none)),
  );
  return lists
    .flatMap((l) => l.items)
    .flatMap(({ metadata, spec, status }) => {
      // A workload with a network of its own has its admin pages on the host, at another address.
      const address = metadata.annotations?.["weft.dev/admin-address"] ?? spec?.address ?? status?.podIP;
      const space = metadata.namespace ?? "default";
      const app = spec?.labels?.["app"] ?? metadata.labels?.["app"] ?? "";
      return address ? [{ name: `${metadata.name}.${space}`, address, app: `${app}.${space}` }] : [];
    });
}
