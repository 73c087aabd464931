import { exitStatus, Problem } from "../../app/problem/index.ts";
import { type Clock, delay } from "../../base/index.ts";
import { isKubeError, type KindRef, type KubeClient, type KubeObject } from "../../kube/client/index.ts";
import { customResourceDefinitions } from "../../kube/kinds/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { encodeData, formatOf } from "../output.ts";

export interface InstallFlags extends ClientFlags {
  readonly crds?: boolean;
  readonly dryRun?: "none" | "client" | "server";
  readonly output?: string;
}

const definitions: KindRef = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
/** Longest wait for the server to serve what was installed. */
const establishMs = 30_000;
const pollMs = 100;

/** `weft install --crds`: server-side apply as `weft`, then waits until every kind is served; again is harmless. */
export async function install(this: CliContext, flags: InstallFlags): Promise<void> {
  const format = formatOf(flags.output, ["yaml", "json"]);
  if (!flags.crds)
    throw new Problem("what to install is not named", {
      mend: "weft install --crds, or look first: weft install --crds -o yaml",
      exit: exitStatus.usage,
    });
  const objects = await customResourceDefinitions();
  if (format !== undefined) {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    this.process.stdout.write(await encodeData(list, format));
    return;
  }
  const { client } = openSession(this, flags);
  const dry = flags.dryRun === "server" || flags.dryRun === "client";
  for (const object of objects) {
    const word = await applyDefinition(client, object, dry);
    const suffix = dry ? " (server dry run)" : "";
    this.process.stdout.write(`customresourcedefinition/${object.metadata.name} ${word}${suffix}\n`);
  }
  if (!dry) await established(client, objects, this.clock);
}

async function applyDefinition(client: KubeClient, object: KubeObject, dryRun: boolean): Promise<string> {
  const before = await current(client, object.metadata.name);
  const after = await client.patch<KubeObject>(definitions, { name: object.metadata.name }, object, {
    ...{ type: "apply", force: true, fieldManager: "weft", dryRun },
  });
  if (before === undefined) return "created";
  return before.metadata.generation === after.metadata.generation ? "unchanged" : "configured";
}

async function current(client: KubeClient, name: string): Promise<KubeObject | undefined> {
  try {
    return await client.get<KubeObject>(definitions, name);
  } catch (error) {
    if (!isKubeError(error, 404)) throw error;
    // No such resource at all: an API server that knows no definitions serves a fixed set of kinds.
    await client.raw(`/apis/${definitions.group}/${definitions.version}`).catch(() => {
      throw new Problem("this API server takes no CustomResourceDefinitions", {
        why: `it does not serve ${definitions.group}/${definitions.version}`,
        mend: "`weft dev` serves Weft's kinds without installing them",
      });
    });
    return undefined;
  }
}

interface Definition extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}
interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}

async function established(client: KubeClient, objects: readonly KubeObject[], clock: Clock): Promise<void> {
  const end = clock.now() + establishMs;
  for (const { metadata } of objects) {
    for (;;) {
      const { status } = await client.get<Definition>(definitions, metadata.name);
      const of = (type: string) => status?.conditions?.find((c) => c.type === type);
      if (of("Established")?.status === "True") break;
      if (of("NamesAccepted")?.status === "False" || clock.now() >= end)
        throw new Problem(`${metadata.name} is not served`, {
          why: of("NamesAccepted")?.message ?? `not established within ${establishMs / 1000} s`,
          mend: `kubectl describe customresourcedefinition ${metadata.name}`,
        });
      await delay(clock, pollMs);
    }
  }
}
